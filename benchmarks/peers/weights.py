"""Writes the bundled weights for the peers, once: by timm's names, and as the Keras model unfreeze carries them over to.

    python -m peers.weights FOLDER

It also leaves the carried-over model in unfreeze's cache folder, where the first training in TensorFlow would put it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from peers.job import KERAS_BASE, SIDE_PX, TORCH_WEIGHTS


def main() -> None:
    folder = Path(sys.argv[1])
    write_keras(folder / KERAS_BASE)  # first: in a process that has imported torch, unfreeze won't carry anything over
    write_torch(folder / TORCH_WEIGHTS)


def write_torch(file: Path) -> None:
    import timm
    import torch

    from unfreeze.backends.torch import bundled

    base = timm.create_model(bundled.ARCHITECTURE, num_classes=0)
    bundled.load_into(base)
    torch.save(base.state_dict(), file)


def write_keras(file: Path) -> None:
    from unfreeze.backends.tensorflow.carried import open_carried
    from unfreeze.recipe.recipe import Input, Recipe

    open_carried(Recipe(framework="tensorflow", input=Input(side_px=SIDE_PX))).base.save(file)


if __name__ == "__main__":
    main()
