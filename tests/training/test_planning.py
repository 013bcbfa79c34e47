"""From a recipe, a dataset and a network to a plan with every value resolved."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from support import numpy_backend
from support.folders import class_folder
from unfreeze.data.scan import scan_for_training
from unfreeze.errors import RecipeError
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import read_recipe
from unfreeze.training.planning import make_plan


def plan_of(folder: Path, **changes: object) -> Plan:
    recipe = read_recipe(None, {"model": "tiny", **changes})
    dataset = scan_for_training(folder, recipe.data, recipe.seed)
    return make_plan(recipe, dataset, numpy_backend.open_network(recipe, dataset.classes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    class_folder(tmp_path / "photos", {"cat": 40, "dog": 20})
    return tmp_path / "photos"


def test_nothing_in_a_plan_says_auto(folder: Path) -> None:
    assert "'auto'" not in str(plan_of(folder).model_dump())


def test_counts_steps_and_batches_fit_the_pictures(folder: Path) -> None:
    plan = plan_of(folder)
    assert plan.data.counts == {
        "train": {"cat": 28, "dog": 14},
        "validation": {"cat": 6, "dog": 3},
        "test": {"cat": 6, "dog": 3},
    }
    # 42 pictures in 8 steps would be 5 a batch: small sets get small batches.
    assert (plan.batch_size, plan.pictures_per_epoch, plan.steps_per_epoch) == (5, 42, 9)


def test_a_last_batch_of_one_picture_is_no_step(folder: Path) -> None:
    assert plan_of(folder, **{"input.batch_size": 41}).steps_per_epoch == 1
    assert plan_of(folder, **{"input.batch_size": 40}).steps_per_epoch == 2


def test_oversampling_lengthens_the_epoch(folder: Path) -> None:
    plan = plan_of(folder, **{"imbalance.oversample": True})
    assert (plan.oversample, plan.pictures_per_epoch, plan.class_weights) == (True, 56, None)
    assert plan.repeats == {"cat": 1.0, "dog": 2.0}


def test_balanced_weights_are_in_the_plan(folder: Path) -> None:
    plan = plan_of(folder, **{"imbalance.class_weights": "balanced"})
    assert plan.class_weights == {"cat": 42 / (2 * 28), "dog": 42 / (2 * 14)}


def test_what_a_loss_is_made_of_is_in_the_plan(folder: Path) -> None:
    plain, focal = plan_of(folder), plan_of(folder, **{"imbalance.loss": "focal", "imbalance.gamma": 1.5})
    adjusted = plan_of(folder, **{"imbalance.loss": "logit-adjusted"})
    assert (plain.focal_gamma, plain.logit_offsets, plain.repeats) == (0.0, None, None)
    assert (focal.focal_gamma, focal.logit_offsets) == (1.5, None)
    assert adjusted.logit_offsets == pytest.approx({"cat": math.log(28 / 42), "dog": math.log(14 / 42)})


def test_an_epoch_chosen_against_what_is_made_up_for_is_remarked(folder: Path) -> None:
    weighted = {"imbalance.class_weights": "balanced"}
    (remark,) = plan_of(folder, **weighted).remarks
    assert "the best epoch is still chosen by val_loss" in remark
    assert plan_of(folder, **weighted, watch="val_macro_f1").remarks == plan_of(folder).remarks == ()


def test_the_size_asked_for_is_in_the_contract(folder: Path) -> None:
    contract = plan_of(folder, **{"input.side_px": 24}).network.contract
    assert contract == numpy_backend.CONTRACT.with_side(24)


def test_an_input_below_the_networks_minimum_is_refused(folder: Path) -> None:
    recipe = read_recipe(None, {"model": "tiny", "input.side_px": 8})
    dataset = scan_for_training(folder, recipe.data, recipe.seed)
    backend = numpy_backend.open_network(recipe, dataset.classes)
    backend.network = backend.network.model_copy(update={"minimum_side_px": 12})
    with pytest.raises(RecipeError) as error:
        make_plan(recipe, dataset, backend)
    assert str(error.value) == ("input.side_px: 8 is too small for tiny: give at least 12 (its checkpoint was made for 16)")


def test_random_weights_are_remarked(folder: Path) -> None:
    recipe = read_recipe(None, {"model": "tiny"})
    dataset = scan_for_training(folder, recipe.data, recipe.seed)
    backend = numpy_backend.open_network(recipe, dataset.classes)
    backend.network = backend.network.model_copy(update={"pretrained": False})
    plan = make_plan(recipe, dataset, backend)
    assert plan.remarks == ("random weights: its frozen stages know nothing, so scores say little about fine-tuning",)


@pytest.mark.parametrize(
    ("asked", "epochs", "views"), [("auto", 3, 8), ("auto", 40, 20), ("auto", 41, 21), (3, 40, 3), (None, 40, None)]
)
def test_half_as_many_views_as_epochs_and_at_least_eight(folder: Path, asked: object, epochs: int, views: int | None) -> None:
    changes = {"strategy": "feature-extraction", "head_only.epochs": epochs, "augment.views": asked}
    assert plan_of(folder, **changes).augment.views == views
