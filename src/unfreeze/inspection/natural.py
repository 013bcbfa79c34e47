"""Made-up pictures that are like photographs in all that a first convolution sees in the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unfreeze.inspection.conventions import MEAN, Values

_PICTURES = 8
# Of ImageNet's pixels, 0–1, R, G, B: variances along three directions, which are the columns.
_COLOUR_VARIANCES = np.array([0.2175, 0.0188, 0.0045])
_COLOUR_DIRECTIONS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def natural_pictures(height: int, width: int) -> Values:
    """Made-up pictures with the statistics of photographs to second order, all that a first convolution sees in the mean.

    Colours: mean and covariance of ImageNet's pixels (Krizhevsky, Sutskever & Hinton 2012; the numbers as in
    facebook/fb.resnet.torch). Spectrum: amplitude falling as frequency to the -1.2 (Tolhurst, Tadmor & Chao 1992).

    Returns:
        float32 [8, height, width, 3], R, G, B, around 0–1 and beyond.
    """
    frequency: NDArray[np.float64] = np.hypot(np.fft.fftfreq(2 * height)[:, None], np.fft.rfftfreq(2 * width)[None])
    frequency[0, 0] = frequency[0, 1]
    noise = np.random.default_rng(0).standard_normal((_PICTURES // 2, 3, 2 * height, 2 * width))
    # Twice as large as needed, because what is made this way repeats at its edges.
    fields = np.fft.irfft2(np.fft.rfft2(noise) / frequency**1.2, noise.shape[2:])
    fields = fields[:, :, :height, :width] / np.sqrt((fields**2).mean(axis=(0, 2, 3), keepdims=True))
    colours = np.einsum("ij,njhw->nhwi", _COLOUR_DIRECTIONS * np.sqrt(_COLOUR_VARIANCES), fields)
    pictures: Values = (np.concatenate([colours, -colours]) + np.array(MEAN)).astype(np.float32)
    return pictures
