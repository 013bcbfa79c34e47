"""A plan as a picture."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from support.made_up import pixels_of, small_plan
from unfreeze.errors import RecipeError, StorageError
from unfreeze.recipe.read import validate_recipe
from unfreeze.report.curves import TRAIN_COLOUR
from unfreeze.report.plan_chart import draw_plan, rates_of

GRADUAL = {"strategy": "gradual", "unfreeze": {"stages": 2, "stage_rate_factor": 0.5}}


def a_plan(**values):
    return small_plan(validate_recipe(values))


def pixels_with(path, colour):
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return int((np.abs(pixels_of(path) - wanted).max(axis=2) <= 1).sum())


def test_the_rates_are_those_of_the_training():
    plan = a_plan(**GRADUAL)
    joined = plan.phases[2]
    places, rates = rates_of(joined, ("stage2", "stage3", "head"), plan.steps_per_epoch)
    assert places == pytest.approx(np.arange(joined.epochs * 7) / 7)
    assert rates["head"][0] == joined.rate == 2.5e-4
    assert rates["stage3"] == pytest.approx(0.5 * rates["head"])
    assert rates["stage2"][1] == pytest.approx(0.25 * rates["head"][1] * (1 / 7) / 0.5)
    assert rates["stage2"][4:] == pytest.approx(0.25 * rates["head"][4:])


def test_a_long_phase_is_drawn_from_some_of_its_steps():
    (phase,) = a_plan(strategy="feature-extraction", head_only={"epochs": 5000}).phases
    places, _ = rates_of(phase, ("head",), 7)
    assert len(places) == 1000
    assert (places[0], places[-1]) == (0, 5000 - 1 / 7)
    assert places * 7 == pytest.approx(np.round(places * 7))


def test_the_same_plan_gives_the_same_bytes_and_another_one_others(tmp_path):
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        draw_plan(a_plan(**GRADUAL), tmp_path / name)
    draw_plan(a_plan(**GRADUAL, unfrozen={"rate": 0.01}), tmp_path / "other.png")
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert content["a.png"] == content["b.png"] != content["other.png"]
    assert content["a.svg"] == content["b.svg"]
    assert content["a.png"].startswith(b"\x89PNG")
    assert b"<svg" in content["a.svg"]
    assert len(content) == 5


def test_what_trains_is_as_large_as_its_stages_and_epochs(tmp_path):
    for name, stages in (("one", 1), ("four", 4)):
        draw_plan(a_plan(unfreeze={"stages": stages}), tmp_path / f"{name}.png")
    one, four = (pixels_with(tmp_path / f"{name}.png", TRAIN_COLOUR) for name in ("one", "four"))
    # 15 epochs of the head and 10 of each stage that is unfrozen, and lines.
    assert four / one == pytest.approx((15 + 40) / (15 + 10), rel=0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values",
    [
        {"strategy": "feature-extraction", "head_only": {"epochs": 1}},
        {"unfreeze": {"layers": 2}},
        {"strategy": "auto"},
        {"unfrozen": {"epochs": 5000, "schedule": {"name": "exponential", "factor": 0.5}}},
        {"head_only": {"schedule": {"name": "plateau"}}, "unfrozen": {"schedule": {"name": "one-cycle", "warmup_epochs": 0}}},
    ],
    ids=["short", "layers", "auto", "to nothing", "plateau and one-cycle"],
)
def test_odd_plans(values, tmp_path):
    draw_plan(a_plan(**values), tmp_path / "plan.png")
    assert pixels_of(tmp_path / "plan.png").shape == (517, 1100, 3)


def test_files_that_can_not_be(tmp_path):
    with pytest.raises(RecipeError, match=r"plan\.jpg: pictures are drawn as \.png or \.svg"):
        draw_plan(a_plan(), tmp_path / "plan.jpg")
    with pytest.raises(StorageError, match="there is no folder"):
        draw_plan(a_plan(), tmp_path / "missing" / "plan.png")
    assert list(tmp_path.iterdir()) == []
