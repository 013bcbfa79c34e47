"""The curves as a picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from support.made_up import epoch_record, epochs, pixels_of
from unfreeze.report.curves import BEST_COLOUR, TRAIN_COLOUR, VALIDATION_COLOUR, draw_curves

PNG = b"\x89PNG\r\n\x1a\n"
TWO_PHASES = epochs(
    phase=[1, 1, 2, 2, 2],
    phase_name=["head only", "head only", "last $2 stages", "last $2 stages", "last $2 stages"],
    train_loss=[1.0, 0.8, 0.6, 0.5, 0.4],
    val_loss=[1.1, 0.9, 0.7, 0.7, 0.8],
    best=[True, True, True, False, False],
)


def holds(path, colour):
    """Whether some pixel has just this colour."""
    pixels = pixels_of(path)
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return bool((np.abs(pixels - wanted).max(axis=2) <= 1).any())


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    draw_curves(TWO_PHASES, tmp_path / "a.png")
    draw_curves(TWO_PHASES, tmp_path / "b.png")
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(PNG)
    assert first == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in first.lower()


def test_other_numbers_give_another_picture(tmp_path):
    draw_curves(TWO_PHASES, tmp_path / "a.png")
    draw_curves([*TWO_PHASES[:-1], epoch_record(5, phase=2, val_loss=0.1)], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_both_curves_and_the_best_epoch_are_drawn(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(TWO_PHASES, path)
    assert holds(path, TRAIN_COLOUR)
    assert holds(path, VALIDATION_COLOUR)
    assert pixels_of(path).shape == (462, 1210, 3)


def test_no_best_epoch_no_line(tmp_path):
    marked, unmarked = tmp_path / "marked.png", tmp_path / "unmarked.png"
    draw_curves(epochs(val_loss=[1.0, 2.0], best=[True, False]), marked)
    draw_curves(epochs(val_loss=[1.0, 2.0]), unmarked)
    greenish = [pixels_of(path) @ np.array([-1, 2, -1]) for path in (marked, unmarked)]
    line = 2 * 158 - 115  # of BEST_COLOUR
    assert BEST_COLOUR == "#009E73"
    assert (greenish[0] > 0.7 * line).sum() > 100
    assert (greenish[1] > 0.7 * line).sum() == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "history",
    [
        [epoch_record(best=True)],
        epochs(val_loss=[1.0, math.nan, 0.5, math.inf]),
        epochs(val_loss=[math.nan, math.nan]),
        epochs(val_loss=[0.0] * 200, train_loss=0.0, phase=[1] * 199 + [2]),
    ],
    ids=["one epoch", "some without a loss", "none with a loss", "long and flat"],
)
def test_odd_histories(tmp_path, history):
    draw_curves(history, tmp_path / "curves.png")
    assert pixels_of(tmp_path / "curves.png").shape == (462, 1210, 3)


def test_nothing_is_left_behind(tmp_path):
    draw_curves(TWO_PHASES, tmp_path / "curves.png")
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
