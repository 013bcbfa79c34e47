"""A run in one sentence."""

from __future__ import annotations

from unfreeze.diagnosis.finding import Finding
from unfreeze.report.run_files import RunFiles

# What a person would say of the run, by the code of what was found; any other code speaks for itself.
_SAID = {
    "not-finite": "its loss became infinite or NaN",
    "wrong-inputs": "its pictures don't reach it as they did in its pretraining",
    "rate-too-high": "its learning rate was too high",
    "rate-too-low": "its learning rate was too low",
    "leaked-validation": "validation pictures are among the training pictures, so that its scores flatter",
    "one-class-for-all": "it gives every picture the same class",
    "no-better-than-guessing": "guessing the largest class would do as well",
    "validation-too-small": "there are too few validation pictures to judge it by",
    "unfreezing-did-harm": "unfreezing made it worse",
    "head-trained-too-short": "its head was trained too short before unfreezing",
    "trained-too-long": "it trained longer than it needed to",
    "overfitting": "it knows its training pictures much better than new ones",
    "class-never-predicted": "there is a class that it never names",
    "rare-classes-neglected": "it neglects its rare classes",
    "confused-classes": "it takes two classes for each other",
    "underfitting": "it hasn't learned what there is to learn",
    "stopped-too-early": "it stopped while it was still learning",
    "validation-easier": "validation was easier than training",
    "miscalibrated": "its probabilities are off",
    "no-better-than-frozen": "unfreezing gained nothing over the frozen network",
}


def verdict(run: RunFiles) -> str:
    """Accuracy, its interval and the main finding, as one sentence; or how far a run got that wasn't scored."""
    if run.shown is None:
        return _unscored(run)
    scores = run.scores[run.shown]
    low, high = scores.interval
    counted = f"{100 * scores.accuracy:.1f} % of {scores.pictures:,} {run.shown} pictures named right"
    return f"{counted} (95 % interval {100 * low:.1f} to {100 * high:.1f} %){_main_finding(run.findings)}."


def main_finding(findings: list[Finding]) -> Finding | None:
    """The first that was found, as they are ranked; None where nothing was."""
    return next((finding for finding in findings if finding.is_found), None)


def in_plain_words(finding: Finding) -> str:
    """What was found, as the half of a sentence."""
    return _SAID.get(finding.code, f"there is a finding: {finding.code.replace('-', ' ')}")


def _main_finding(findings: list[Finding]) -> str:
    main = main_finding(findings)
    if main is None:
        return ", and nothing was found that calls for a change" if findings else ""
    return f"{'; a note:' if main.severity == 'note' else ', but'} {in_plain_words(main)}"


def _unscored(run: RunFiles) -> str:
    interrupted = run.metrics is not None and run.metrics["interrupted"]
    ended = "Interrupted" if interrupted else "Not finished" if run.metrics is None else "Ended"
    epochs = f"{ended} after {len(run.history)} epoch{'s' if len(run.history) != 1 else ''}, before it was scored"
    best = next((record for record in run.history if record.epoch == run.best_epoch), None)
    if best is not None:
        accuracy = f"{100 * best.val_accuracy:.1f} % of the validation pictures right"
        epochs += f"; the best so far, epoch {best.epoch}, named {accuracy}"
    main = main_finding(run.findings)
    return f"{epochs}: {in_plain_words(main)}." if main is not None and not interrupted else f"{epochs}."
