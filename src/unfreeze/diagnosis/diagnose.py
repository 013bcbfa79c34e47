"""All findings about a training, ranked."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from unfreeze.diagnosis.class_never_predicted import class_never_predicted
from unfreeze.diagnosis.confused_classes import confused_classes
from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.exploding_gradients import exploding_gradients
from unfreeze.diagnosis.finding import Finding, Severity
from unfreeze.diagnosis.head_trained_too_short import head_trained_too_short
from unfreeze.diagnosis.inputs_too_small import inputs_too_small
from unfreeze.diagnosis.leaked_validation import leaked_validation
from unfreeze.diagnosis.miscalibrated import miscalibrated
from unfreeze.diagnosis.no_better_than_frozen import no_better_than_frozen
from unfreeze.diagnosis.no_better_than_guessing import no_better_than_guessing
from unfreeze.diagnosis.not_finite import not_finite
from unfreeze.diagnosis.one_class_for_all import one_class_for_all
from unfreeze.diagnosis.overfitting import overfitting
from unfreeze.diagnosis.rare_classes_neglected import rare_classes_neglected
from unfreeze.diagnosis.rate_too_high import rate_too_high
from unfreeze.diagnosis.rate_too_low import rate_too_low
from unfreeze.diagnosis.stopped_too_early import stopped_too_early
from unfreeze.diagnosis.trained_too_long import trained_too_long
from unfreeze.diagnosis.underfitting import underfitting
from unfreeze.diagnosis.unfreezing_did_harm import unfreezing_did_harm
from unfreeze.diagnosis.validation_easier import validation_easier
from unfreeze.diagnosis.validation_too_small import validation_too_small
from unfreeze.diagnosis.wrong_inputs import wrong_inputs

Check = Callable[[Evidence], Finding]

# In the order of rank: a cause before what it causes, what ruins a training before what could be better.
CHECKS: tuple[Check, ...] = (
    not_finite,
    wrong_inputs,
    leaked_validation,
    rate_too_low,
    head_trained_too_short,
    one_class_for_all,
    rate_too_high,
    exploding_gradients,
    no_better_than_guessing,
    validation_too_small,
    unfreezing_did_harm,
    trained_too_long,
    overfitting,
    class_never_predicted,
    rare_classes_neglected,
    validation_easier,
    underfitting,
    stopped_too_early,
    confused_classes,
    miscalibrated,
    no_better_than_frozen,
    inputs_too_small,
)
# Every code and severity there is, for whoever asks for one by name.
CODES: tuple[str, ...] = tuple(check.__name__.replace("_", "-") for check in CHECKS)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# What can be said of a phase while it is going on.
LIVE: tuple[Check, ...] = (rate_too_high, exploding_gradients, trained_too_long, overfitting)

_OUTCOMES = {"found": 0, "could not tell": 1, "not found": 2}


def diagnose(evidence: Evidence) -> list[Finding]:
    """One finding per check, ranked; none for a training without any epoch.

    Those found come first, of these notes last, and then causes before what they cause. A training whose first epoch already
    failed has that one finding.
    """
    if not evidence.phases:
        failure = not_finite(evidence)
        return [failure] if failure.is_found else []
    return sorted((check(evidence) for check in CHECKS), key=_rank)


def _rank(finding: Finding) -> tuple[int, bool]:
    return _OUTCOMES[finding.outcome], finding.severity == "note"
