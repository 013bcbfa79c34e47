"""Rare classes neglected: they are named right less often than the others, and nothing was done for them."""

from __future__ import annotations

import numpy as np

from unfreeze.diagnosis.evidence import Evidence
from unfreeze.diagnosis.finding import Finding, cannot_tell
from unfreeze.diagnosis.one_class_for_all import made_up_for

CODE = "rare-classes-neglected"
# A class with at most this part of the largest class's training pictures is rare.
RARE = 1 / 3
# By so much the recall of the rare classes together is below that of the others; from the second on it is a warning …
GAP, GREAT_GAP = 0.10, 0.15
# … which by chance alone is at most this likely (Fisher's exact test).
CHANCE = 0.05
THRESHOLDS: dict[str, float] = {"rare": RARE, "gap": GAP, "great_gap": GREAT_GAP, "chance": CHANCE}


def rare_classes_neglected(evidence: Evidence) -> Finding:
    """Whether class weights or oversampling would help."""
    predicted = evidence.predicted
    if predicted is None or not evidence.train_counts:
        return cannot_tell(CODE, "what the model says of each validation picture isn't known", THRESHOLDS)
    largest = max(evidence.train_counts.values())
    rare = [k for k, name in enumerate(evidence.classes) if evidence.train_counts[name] <= RARE * largest]
    is_rare = np.isin(predicted.labels, rare)
    if not is_rare.any() or is_rare.all():
        return Finding(CODE, "not found", "note", "no class is rare", {"rare_classes": float(len(rare))}, THRESHOLDS)
    of_rare, of_others = float(predicted.right[is_rare].mean()), float(predicted.right[~is_rare].mean())
    chance = _chance(predicted.right, is_rare)
    measured = {"recall_of_rare": of_rare, "recall_of_others": of_others, "chance": chance, "rare_classes": float(len(rare))}
    names = ", ".join(f"'{evidence.classes[k]}' ({evidence.train_counts[evidence.classes[k]]})" for k in rare[:5])
    seen = f"of the rare classes {names} {of_rare:.0%} are named right, of the others {of_others:.0%}"
    if of_others - of_rare < GAP or chance > CHANCE:
        return Finding(CODE, "not found", "note", seen, measured, THRESHOLDS)
    done = made_up_for(evidence)
    explanation = f"{seen}, {'in spite of what is done for them' if done else 'and nothing is done for them'}"
    remedy = {} if done else {"imbalance.class_weights": "balanced"}
    return Finding(CODE, "found", "note" if done else "warning", explanation, measured, THRESHOLDS, evidence.best_epoch, remedy)


def _chance(right: np.ndarray[tuple[int], np.dtype[np.bool_]], is_rare: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    from scipy.stats import fisher_exact  # late, as in `curves`

    table = [[int((right[part] == value).sum()) for value in (True, False)] for part in (is_rare, ~is_rare)]
    return float(fisher_exact(table, alternative="less").pvalue)
