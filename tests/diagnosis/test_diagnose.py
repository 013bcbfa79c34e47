"""All findings together."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from support.made_up import epoch_record, epochs, evidence, predicted, small_plan
from unfreeze.diagnosis.diagnose import CHECKS, CODES, LIVE, diagnose
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.read import read_recipe
from unfreeze.training.loop import NOT_FINITE

HEALTHY = epochs(
    train_loss=[0.9, 0.6, 0.5, 0.45, 0.43, 0.42],
    val_loss=[0.7, 0.55, 0.48, 0.46, 0.45, 0.45],
    train_accuracy=[0.7, 0.8, 0.84, 0.86, 0.87, 0.87],
    val_accuracy=[0.8, 0.84, 0.86, 0.87, 0.88, 0.88],
    gradient_norm=2.0,
)


def test_nothing_is_known_of_a_training_without_epochs():
    assert diagnose(Evidence(())) == []


def test_a_training_that_failed_in_its_first_epoch_has_that_one_finding():
    plan = small_plan()
    [finding] = diagnose(Evidence((), endings=(NOT_FINITE,), plan=plan))
    assert (finding.code, finding.outcome, finding.severity) == ("not-finite", "found", "error")
    assert finding.remedy == {"head_only.rate": 0.0003}


def test_a_healthy_training_has_every_question_answered_and_nothing_found():
    known = {"predicted": predicted([[90, 5, 5], [5, 90, 5], [5, 5, 90]]), "leaked_part": 0.0, "inputs_mismatch": ""}
    findings = diagnose(evidence(HEALTHY, **known))
    assert {finding.outcome for finding in findings} == {"not found"}
    assert len({finding.code for finding in findings}) == len(CHECKS)


def test_what_is_found_comes_first_and_of_it_causes_before_what_they_cause_and_notes_last():
    history = epochs(train_loss=[5.0] * 5, train_accuracy=0.3, val_accuracy=0.34, val_loss=9.0)
    findings = diagnose(evidence(history, predicted=predicted([[100, 0, 0], [100, 0, 0], [100, 0, 0]]), leaked_part=0.2))
    found = [finding for finding in findings if finding.is_found]
    assert {"rate-too-high", "leaked-validation", "one-class-for-all"} <= {finding.code for finding in found}
    rank = [(finding.severity == "note", CODES.index(finding.code)) for finding in found]
    assert rank == sorted(rank)
    outcomes = [finding.outcome for finding in findings]
    assert outcomes == sorted(outcomes, key=["found", "could not tell", "not found"].index)


def test_every_check_has_a_file_of_its_name():
    for check in CHECKS:
        module = __import__(check.__module__, fromlist=["CODE"])
        assert check.__module__.rpartition(".")[2] == check.__name__ == module.CODE.replace("-", "_")
    assert set(LIVE) <= set(CHECKS)


PART = st.floats(0, 1)
LOSS = st.floats(0, 5) | st.sampled_from([float("nan"), float("inf")])
RECORD = st.fixed_dictionaries(
    {
        "train_accuracy": PART,
        "val_accuracy": PART,
        "train_loss": LOSS,
        "val_loss": LOSS,
        "rate": st.floats(1e-9, 1),
        "boundary": st.sampled_from(["head", "stage1", "stem"]),
        "phase": st.integers(1, 3),
        "gradient_norm": st.none() | st.floats(0, 1e9),
    }
)
CONFUSION = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3).filter(
    lambda rows: any(map(any, rows))
)


@settings(deadline=None, max_examples=60)
@given(st.lists(RECORD, min_size=1, max_size=12), st.none() | CONFUSION, st.booleans())
def test_any_history_is_answered_in_words_and_numbers(rows, confusion, with_plan):
    rows = sorted(rows, key=lambda row: row["phase"])
    history = [epoch_record(number, **row) for number, row in enumerate(rows, start=1)]
    known = {"predicted": predicted(confusion)} if confusion else {}
    findings = diagnose(evidence(history, plan=small_plan() if with_plan else None, **known))
    assert len(findings) == len(CHECKS)
    for finding in findings:
        assert finding.explanation
        assert finding.epoch is None or 1 <= finding.epoch <= len(rows)
        read_recipe(None, finding.remedy)
        assert repr(Finding(**json.loads(json.dumps(asdict(finding))))) == repr(finding)  # as NaN isn't equal to itself
