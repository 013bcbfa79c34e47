"""Real pictures that come with a pip package: scikit-learn's handwritten digits, as a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# The scans are 8 × 8; enlarged they can be looked at.
_ENLARGED_PX = 64


def write_digits(folder: Path) -> int:
    """Writes scikit-learn's 1,797 handwritten digits (Alpaydin & Kaynak 1998) as `folder/<digit>/<number>.png`.

    Returns:
        How many pictures were written.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        # Ink is 0–16 and bright; on paper it is dark.
        levels = (255 - np.rint(values * (255 / 16))).astype(np.uint8)
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).resize((_ENLARGED_PX, _ENLARGED_PX), Image.Resampling.BICUBIC).save(path)
    return len(digits.images)
