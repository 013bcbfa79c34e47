"""`unfreeze plan`: what it says of schedules, and the picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.command import NUMPY, Command


def test_schedules_and_what_else_is_on_are_shown(unfreeze: Command, photos: Path) -> None:
    schedule = ("--schedule", "one-cycle", "--set", "unfrozen.schedule.name=multi-step")
    milestones = ("--set", "unfrozen.schedule.milestones=[3,6]", "--set", "unfrozen.optimizer.l2_sp=0.01")
    others = ("--set", "input.accumulate=4", "--set", "ema=0.99", "--set", "unfreeze.stage_rate_factor=0.4")
    status, out, _ = unfreeze("plan", photos, *NUMPY, "--strategy", "gradual", *schedule, *milestones, *others)
    assert status == 0
    head, first, second = (
        line for line in out.splitlines() if line.lstrip().startswith(("1.", "2.", "3.")) and "adamw" in line
    )
    assert "one-cycle, top at 30%" in head
    assert "0.0005 to 0.0002  × 0.1 at 3, 6, warm-up 0.5" in first
    assert "0.00025 to 4e-05  × 0.1 at 3, 6, stem rising" in second
    assert ["L2-SP" in line for line in (head, first, second)] == [False, True, True]
    assert "pictures × 4 a step, " in out
    assert "their running mean, decay 0.99, is scored and kept" in out


def test_what_has_no_effect_is_said(unfreeze: Command, photos: Path) -> None:
    out = unfreeze("plan", photos, *NUMPY, "--schedule", "step", "--set", "unfrozen.schedule.floor=0.1")[1]
    assert "unfrozen.schedule: step has no use for floor, which the recipe gives" in out
    assert "head_only.schedule: step would change the rate after 5 epochs, but a phase of 5 has 4.5 after its warm-up" in out


def test_the_schedule_of_the_head_alone(unfreeze: Command, photos: Path) -> None:
    out = unfreeze("plan", photos, *NUMPY, "--strategy", "feature-extraction", "--schedule", "constant")[1]
    assert "has no use for" not in out
    assert "constant, warm-up 0.5" in out


@pytest.mark.parametrize("name", ["plan.png", "plan.SVG"])
def test_the_plot(unfreeze: Command, photos: Path, tmp_path: Path, name: str) -> None:
    status, out, err = unfreeze("plan", photos, *NUMPY, "--plot", tmp_path / name)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == f"look at {tmp_path / name}"
    if name == "plan.png":
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
    else:
        assert "</svg>" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [("plan.gif", "pictures are drawn as .png or .svg: give the file such an ending"), ("no/plan.png", "there is no folder")],
)
def test_a_plot_that_can_not_be_is_refused_before_the_work(
    unfreeze: Command, photos: Path, tmp_path: Path, name: str, message: str
) -> None:
    status, out, err = unfreeze("plan", photos, *NUMPY, "--plot", tmp_path / name)
    assert (status, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--schedule", "cosin"), "head_only.schedule.name: should be"),
        (("--schedule", "multi-step"), "multi-step without milestones is constant"),
        (("--schedule", "exponential"), "0.9 is usual"),
    ],
)
def test_schedules_that_can_not_be_meant(unfreeze: Command, photos: Path, arguments: tuple[str, ...], message: str) -> None:
    status, _, err = unfreeze("plan", photos, *NUMPY, *arguments)
    assert status == 2
    assert message in err
