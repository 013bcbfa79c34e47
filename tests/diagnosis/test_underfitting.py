"""Underfitting on made-up histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up import epochs
from unfreeze.diagnosis.overfitting import GAP
from unfreeze.diagnosis.underfitting import FLAT_PER_EPOCH, LOW, underfitting
from unfreeze.recipe.read import read_recipe


def flat(accuracy=0.4, length=6, **columns):
    return epochs(train_accuracy=[accuracy] * length, val_accuracy=accuracy, **columns)


def test_found():
    finding = underfitting(flat())
    assert (finding.code, finding.outcome, finding.severity, finding.epoch) == ("underfitting", "found", "warning", 6)
    assert finding.measured == pytest.approx({"train_accuracy": 0.4, "val_accuracy": 0.4, "rise_per_epoch": 0.0})
    assert "training accuracy 40.0%, validation accuracy 40.0%, rising 0.00% an epoch: low and flat" in finding.explanation


def test_found_where_training_accuracy_falls():
    history = epochs(train_accuracy=[0.5, 0.48, 0.46, 0.44, 0.42, 0.40], val_accuracy=0.45)
    finding = underfitting(history)
    assert finding.outcome == "found"
    assert finding.measured["rise_per_epoch"] == pytest.approx(-0.02)


def test_the_rise_is_per_epoch_between_the_halves_of_the_phase():
    finding = underfitting(epochs(train_accuracy=[0.1, 0.2, 0.3, 0.4], val_accuracy=0.3))
    assert finding.measured["rise_per_epoch"] == pytest.approx(0.1)
    odd = underfitting(epochs(train_accuracy=[0.9, 0.1, 0.2, 0.3, 0.4], val_accuracy=0.3))
    assert odd.measured["rise_per_epoch"] == pytest.approx(0.1)  # the first of five is left out


@pytest.mark.parametrize(
    ("train", "validation"),
    [(0.95, 0.9), (0.80, 0.79), (0.7, 0.4), (0.6, 0.49)],
    ids=["learned", "not low", "a gap, which is overfitting", "a smaller gap"],
)
def test_not_found(train, validation):
    finding = underfitting(epochs(train_accuracy=[train] * 6, val_accuracy=validation))
    assert (finding.outcome, finding.remedy) == ("not found", {})


def test_could_not_tell_after_few_epochs():
    finding = underfitting(flat(length=3))
    assert finding.outcome == "could not tell"
    assert finding.explanation.endswith("low, but 3 epochs show no trend")
    assert read_recipe(None, finding.remedy).head_only.epochs == 6


def test_could_not_tell_after_one_epoch():
    assert underfitting(flat(length=1)).outcome == "could not tell"


def test_could_not_tell_while_still_rising():
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    finding = underfitting(epochs(train_accuracy=rising, val_accuracy=rising, boundary="stage3"))
    assert finding.outcome == "could not tell"
    assert finding.explanation.endswith("low, but still rising: train longer")
    assert read_recipe(None, finding.remedy).unfrozen.epochs == 12


def test_a_phase_that_undid_an_earlier_one_is_not_called_underfitting():
    history = epochs(
        phase=[1, 1, 2, 2, 2, 2],
        train_accuracy=[0.9, 0.9, 0.3, 0.3, 0.3, 0.3],
        val_accuracy=[0.85, 0.88, 0.3, 0.3, 0.3, 0.3],
        boundary=["head", "head", "stage3", "stage3", "stage3", "stage3"],
        rate=[0.1, 0.1, 0.05, 0.04, 0.02, 0.01],
    )
    finding = underfitting(history)
    assert finding.outcome == "could not tell"
    assert finding.explanation.endswith("below the 88.0% before this phase, which undid it")
    assert read_recipe(None, finding.remedy).unfrozen.rate == pytest.approx(0.005)


def test_thresholds_stand_in_every_answer():
    for history in (flat(), flat(0.95), flat(length=1)):
        assert underfitting(history).thresholds == {"low": LOW, "flat_per_epoch": FLAT_PER_EPOCH, "gap": GAP}


@pytest.mark.parametrize(
    ("boundary", "remedy"),
    [
        ("head", {"strategy": "fine-tune-top"}),
        ("stage3", {"strategy": "full"}),
        ("layer4.0.conv1", {"strategy": "full"}),
        ("stem", {"unfrozen.rate": 0.003}),
    ],
)
def test_remedies_train_more_of_the_network_or_faster(boundary, remedy):
    finding = underfitting(flat(boundary=boundary, rate=0.001))
    assert finding.remedy == remedy
    read_recipe(None, remedy)


@given(
    accuracy=st.floats(0, 1),
    before=st.floats(0, 1),
    boundary=st.sampled_from(["head", "stage2", "stem"]),
    length=st.integers(1, 9),
    rate=st.floats(1e-12, 1),
)
def test_every_remedy_can_be_followed(accuracy, before, boundary, length, rate):
    # A cosine schedule ends on rates near nothing: rounded to a number of decimals, the remedy was once rate 0.
    history = epochs(
        phase=[1, *[2] * length],
        train_accuracy=[before, *[accuracy] * length],
        val_accuracy=[before, *[accuracy] * length],
        boundary=boundary,
        rate=rate,
    )
    finding = underfitting(history)
    read_recipe(None, finding.remedy)
    assert finding.outcome in ("found", "could not tell") if finding.remedy else True
