"""Leaked validation: pictures that were trained on are scored again."""

from __future__ import annotations

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell

CODE = "leaked-validation"
# Above this part of the validation pictures their scores mislead; below it is as good as nothing.
PART = 0.05
THRESHOLDS: dict[str, float] = {"part": PART}


def leaked_validation(evidence: Evidence) -> Finding:
    """Whether validation pictures, or near-identical copies, are among the training pictures."""
    if evidence.leaked_part is None:
        return cannot_tell(CODE, "nobody looked whether validation pictures were trained on", THRESHOLDS)
    measured = {"part": evidence.leaked_part}
    if evidence.leaked_part == 0:
        return Finding(CODE, "not found", "note", "no validation picture was trained on", measured, THRESHOLDS)
    seen = f"{evidence.leaked_part:.1%} of the validation pictures are among the training pictures, or copies of them are"
    if evidence.leaked_part < PART:
        return Finding(CODE, "not found", "note", f"{seen}: too few to matter", measured, THRESHOLDS)
    explanation = (
        f"{seen}: validation can't tell what was learned from what was learned by heart. New splits keep copies"
        " together; or mend the folder's own."
    )
    return Finding(CODE, "found", "warning", explanation, measured, THRESHOLDS, remedy={"data.resplit": True})
