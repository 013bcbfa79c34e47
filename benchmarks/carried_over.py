"""How near networks of timm come to themselves when they are carried over to Keras.

    python benchmarks/carried_over.py [--side 64] resnet18 convnextv2_atto …

Each gets random weights under which nothing that goes wrong stays hidden (`tests/support/checkpoints.py`) and is carried over
as a user's would be. Printed as a Markdown table: the largest difference of pooled features of eight crops of photographs,
relative to the largest feature, in float32; beside it that of PyTorch's own float32 from its float64, which is what rounding
alone does; or why the network is refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.checkpoints import write_checkpoint
from support.photographs import photographs
from unfreeze.backends.tensorflow.carried import open_carried
from unfreeze.errors import UnfreezeError
from unfreeze.recipe.recipe import Input, Recipe

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--side", type=int, default=64)
    options = parser.parse_args()
    print("| network | relative difference | float32 from float64 |\n|---|---|---|")
    for name in options.networks:
        print(f"| {name} | {_row(name, options.side)} |", flush=True)


def _row(name: str, side_px: int) -> str:
    import torch

    images = photographs(side_px, MEAN, STD)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.safetensors")
        network = write_checkpoint(name, images, weights)
        recipe = Recipe(framework="tensorflow", model=name, weights=str(weights), input=Input(side_px=side_px))
        try:
            features = np.asarray(open_carried(recipe).base(images, training=False))
        except UnfreezeError as error:
            return f"refused: {error} |"
    planes = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        expected, exact = network(planes).numpy(), network.double()(planes.double()).numpy()
    return f"{_relative(features, expected):.1e} | {_relative(expected, exact):.1e}"


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


if __name__ == "__main__":
    main()
