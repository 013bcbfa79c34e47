"""Wrong inputs: pictures reach the network otherwise than in its pretraining."""

from __future__ import annotations

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell

CODE = "wrong-inputs"
# A finding of its own: it costs accuracy, and all else makes the pictures something else.
TOO_SMALL = frozenset({"too-small"})
# Seen in the colours of a few pictures, which may be unusual by themselves.
_UNCERTAIN = TOO_SMALL | {"channels-swapped"}


def wrong_inputs(evidence: Evidence) -> Finding:
    """Whether the look at the data before training found that; `inspection.inputs` says how."""
    if evidence.inputs_mismatch is None:
        return cannot_tell(CODE, "nobody looked how pictures reach the network")
    if not evidence.inputs_mismatch or evidence.inputs_mistakes <= TOO_SMALL:
        return Finding(CODE, "not found", "note", "nothing speaks against the values that reach the network")
    explanation = f"{evidence.inputs_mismatch} All that the network knows rests on its inputs being as they were."
    return Finding(CODE, "found", "note" if evidence.inputs_mistakes <= _UNCERTAIN else "error", explanation)
