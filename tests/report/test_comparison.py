"""Runs side by side: what differs, and whether they can be told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.made_up import epochs, small_network, small_plan
from unfreeze.recipe.read import validate_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.report.comparison.curves import draw_comparison
from unfreeze.report.comparison.differences import find_differences
from unfreeze.report.comparison.pairs import pair_up
from unfreeze.report.comparison.runs import ComparedRun, Picture
from unfreeze.training.scores import Scores, accuracy_interval


def scores(right: int, pictures: int) -> Scores:
    confusion = np.array([[right, pictures - right], [0, 0]], np.int64)
    return Scores(0.5, right / pictures, accuracy_interval(right, pictures), {}, confusion)


def named(right: str, first: int = 0) -> dict[Picture, str]:
    """A picture for each letter, named right where it is `r`."""
    return {
        Picture(f"cat/{number}.png", f"hash{number}", "cat"): "cat" if letter == "r" else "dog"
        for number, letter in enumerate(right, start=first)
    }


def compared(name: str, **changes: Any) -> ComparedRun:
    values: dict[str, Any] = {
        "name": name,
        "folder": Path(name),
        "plan": small_plan(),
        "history": epochs(phase=[1, 1, 2], val_loss=[0.9, 0.8, 0.7], best=[True, True, True]),
        "validation": scores(90, 100),
        "test": scores(90, 100),
        "best_epoch": 3,
        "seconds": {"preparing": 1.0, "training": 6.0},
        "named": {},
        "missing": (),
    }
    return ComparedRun(**values | changes)


def differences(*plans: Any) -> dict[str, tuple[str, ...]]:
    return dict(find_differences(plans))


def test_plans_that_are_the_same_differ_in_nothing() -> None:
    assert differences(small_plan(), small_plan()) == {}


def test_values_are_named_with_dots_and_phases_by_number() -> None:
    recipe = validate_recipe({"unfrozen": {"rate": 0.00025}, "label_smoothing": 0.2})
    found = differences(small_plan(), small_plan(recipe, seed=3, oversample=True, class_weights={"cat": 0.5, "dog": 2.0}))
    assert found == {
        "seed": ("0", "3"),
        "oversample": ("no", "yes"),
        "class_weights": ("none", "cat 0.5, dog 2"),
        "phases.2.rate": ("0.0005", "0.00025"),
    }


def test_numbers_by_class_are_one_row_each() -> None:
    adjusted = small_plan(logit_offsets={"a.b": -1.5, "dog": -0.5}, repeats={"a.b": 2.0, "dog": 1.0})
    assert differences(small_plan(), adjusted) == {
        "logit_offsets": ("none", "a.b -1.5, dog -0.5"),
        "repeats": ("none", "a.b 2, dog 1"),
    }


def test_a_phase_that_only_one_plan_has_is_one_line() -> None:
    found = differences(small_plan(), small_plan(Recipe(strategy="feature-extraction")))
    assert found["phases.2"] == ("last 2 stages: from stage2, 10 epochs, rate 0.0005, adamw", "—")
    assert not [name for name in found if name.startswith("phases.2.")]


def test_layers_and_environment_are_summed_up() -> None:
    network = small_network()
    fewer = network.model_copy(update={"stages": network.stages[1:], "framework": "tensorflow"})
    renamed = network.model_copy(
        update={"stages": (*network.stages[:-1], network.stages[-1].model_copy(update={"name": "top"}))}
    )
    plan = small_plan(environment={"python": "3.11", "torch": "2.8", "threads": "2"})
    found = differences(plan, plan.model_copy(update={"network": fewer, "environment": {"python": "3.11", "keras": "3.12"}}))
    assert found["network.framework"] == ("torch", "tensorflow")
    assert [text.partition(" (")[0] for text in found["network.stages"]] == [
        "5 stages, 10 layers, 1,793 parameters", "4 stages, 8 layers, 1,683 parameters",
    ]  # fmt: skip
    assert found["environment"] == ("torch 2.8, threads 2", "keras 3.12")
    assert len(found) == 3
    assert list(differences(plan, plan.model_copy(update={"network": renamed}))) == ["network.stages"]


def test_three_plans_have_a_value_each() -> None:
    assert differences(*(small_plan(seed=seed) for seed in (0, 1, 0))) == {"seed": ("0", "1", "0")}


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    [
        # 2 · (C(9, 0) + C(9, 1)) / 2⁹
        ("rrrrrrrr" + "w" + "rrr" + "ww", "wwwwwwww" + "r" + "rrr" + "ww", 20 / 512),
        ("rw", "wr", 1.0),
        ("rrww", "rrww", 1.0),
        ("rrrrr", "wwwww", 2 / 32),
    ],
)
def test_the_exact_mcnemar_test(first: str, second: str, p_value: float) -> None:
    pair = pair_up([compared("a", named={"test": named(first)}), compared("b", named={"test": named(second)})])[0]
    assert pair.disagreement is not None
    assert pair.disagreement.pictures == len(first)
    assert pair.disagreement.only_first == sum(one == "r" and other == "w" for one, other in zip(first, second, strict=True))
    assert pair.disagreement.p_value == pytest.approx(p_value)


def test_other_pictures_are_not_tested() -> None:
    others = {
        "one more": named("rww"),
        "another place": named("rw", first=1),
        "changed since": {picture._replace(content="new"): label for picture, label in named("rw").items()},
        "none": {},
    }
    for pictures in others.values():
        pair = pair_up([compared("a", named={"test": named("rw")}), compared("b", named={"test": pictures})])[0]
        assert pair.disagreement is None
        assert pair.in_words().endswith("they were not scored on the same pictures")


@pytest.mark.parametrize(("right", "overlap"), [(90, True), (83, True), (75, False)])
def test_intervals_overlap_or_not(right: int, overlap: bool) -> None:
    # Wilson of 90 in 100: 0.826 to 0.945; of 83: 0.745 to 0.891; of 75: 0.657 to 0.825.
    pair = pair_up([compared("a"), compared("b", test=scores(right, 100))])[0]
    assert (pair.split, pair.overlap) == ("test", overlap)


def test_without_test_scores_validation_is_compared_and_without_any_nothing() -> None:
    runs = [compared("a"), compared("b", test=None), compared("c", test=None, validation=None)]
    assert [(pair.first, pair.second, pair.split) for pair in pair_up(runs)] == [
        ("a", "b", "validation"), ("a", "c", None), ("b", "c", None),
    ]  # fmt: skip


def test_seconds_and_pictures_per_second_are_over_all_epochs() -> None:
    history = epochs(train_seconds=[1.0, 3.0], val_seconds=[0.5, 0.5], pictures_per_second=[400.0, 100.0])
    run = compared("a", history=history)
    assert run.seconds_per_epoch == pytest.approx(2.5)
    assert run.pictures_per_second == pytest.approx(700 / 4)
    assert (compared("b", history=[]).seconds_per_epoch, compared("b", history=[]).pictures_per_second) == (None, None)


def test_the_curves_of_many_runs_can_be_drawn(tmp_path: Path) -> None:
    runs = [compared(f"run {number} $x_") for number in range(9)] + [compared("empty", history=[])]
    draw_comparison(runs, tmp_path / "comparison.png")
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.format == "PNG"
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x56, 0xB4, 0xE9)):
        assert (colours == colour).all(axis=1).any()
