"""All findings together."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from support.made_up import epoch_record, epochs
from unfreeze.diagnosis.diagnose import CHECKS, diagnose
from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.read import read_recipe


def test_no_epochs_no_findings():
    assert diagnose([]) == []


def test_every_question_is_answered_those_found_first():
    history = epochs(
        val_loss=[0.5, 0.7, 0.8, 0.9],
        train_loss=[0.5, 0.3, 0.2, 0.1],
        train_accuracy=[0.8, 0.9, 1.0, 1.0],
        val_accuracy=0.7,
    )
    assert [(finding.code, finding.outcome) for finding in diagnose(history)] == [
        ("overfitting", "found"),
        ("trained-too-long", "found"),
        ("underfitting", "not found"),
    ]


def test_what_could_not_be_told_comes_before_what_was_not_found():
    outcomes = [finding.outcome for finding in diagnose([epoch_record(train_accuracy=0.3, val_accuracy=0.3)])]
    assert outcomes == ["could not tell", "could not tell", "not found"]


PART = st.floats(0, 1)
LOSS = st.floats(0, 5) | st.sampled_from([float("nan"), float("inf")])
RECORD = st.fixed_dictionaries(
    {
        "train_accuracy": PART,
        "val_accuracy": PART,
        "train_loss": st.floats(0, 5),
        "val_loss": LOSS,
        "rate": st.floats(1e-9, 1),
        "boundary": st.sampled_from(["head", "stage1", "stem"]),
        "phase": st.integers(1, 3),
    }
)


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=12))
def test_any_history_is_answered_in_words_and_numbers(rows):
    rows = sorted(rows, key=lambda row: row["phase"])
    findings = diagnose([epoch_record(number, **row) for number, row in enumerate(rows, start=1)])
    assert len(findings) == len(CHECKS)
    for finding in findings:
        assert finding.explanation
        assert finding.measured
        assert finding.thresholds
        assert 1 <= finding.epoch <= len(rows)
        read_recipe(None, finding.remedy)
        assert repr(Finding(**json.loads(json.dumps(asdict(finding))))) == repr(finding)  # as NaN isn't equal to itself
