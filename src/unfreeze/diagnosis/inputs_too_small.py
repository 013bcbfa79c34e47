"""Inputs too small: pictures reach the network far smaller than in its pretraining."""

from __future__ import annotations

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.wrong_inputs import TOO_SMALL

CODE = "inputs-too-small"


def inputs_too_small(evidence: Evidence) -> Finding:
    """Whether the look at the data before training found that; `inspection.inputs` says how.

    A note: it saves time, and what it costs in accuracy depends on the pictures.
    """
    if evidence.inputs_mismatch is None:
        return cannot_tell(CODE, "nobody looked how pictures reach the network")
    if not evidence.inputs_mistakes & TOO_SMALL:
        return Finding(CODE, "not found", "note", "pictures reach the network about as large as in its pretraining")
    return Finding(CODE, "found", "note", evidence.inputs_mismatch, remedy={"input.side_px": "auto"})
