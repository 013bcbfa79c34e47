"""Real pictures that come with a pip package: scikit-learn's handwritten digits, as a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# The scans are 8 × 8; enlarged they can be looked at.
_ENLARGED_PX = 64
_EVERY = 12


def write_digits(known: Path, new: Path) -> None:
    """Writes scikit-learn's 1,797 scans of handwritten digits (Alpaydin & Kaynak 1998) as `<digit>/<number>.png`.

    Every twelfth goes to the folder `new`, the others to `known`.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        # Ink is 0–16 and bright; on paper it is dark.
        levels = (255 - np.rint(values * (255 / 16))).astype(np.uint8)
        path = (new if number % _EVERY == 0 else known) / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).resize((_ENLARGED_PX, _ENLARGED_PX), Image.Resampling.BICUBIC).save(path)
