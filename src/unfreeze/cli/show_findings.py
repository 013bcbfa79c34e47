"""What was recognised in a training, as lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.markup import escape

from unfreeze.diagnosis.finding import Finding
from unfreeze.report.labels import printable


def found_lines(findings: Sequence[Finding], of_run: bool = True) -> Iterator[str]:
    """What was found, with the numbers and the remedy, in Rich's markup; one line where nothing was.

    Args:
        of_run: whether the remedy can be given to `unfreeze train` as it is; else it says what unfreeze would change.
    """
    found = [finding for finding in findings if finding.is_found]
    for finding in found:
        style = "bold" if finding.severity == "note" else "bold yellow"
        yield f"[{style}]{finding.code}[/] ({finding.severity}): {escape(printable(finding.explanation))}"
        if finding.measured:
            yield f"  measured: {escape(_numbers(finding))}"
        if finding.remedy:
            yield f"  {_remedy(finding, of_run)}"
    if not found and findings:
        yield "nothing was found that calls for a change"


def other_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """What couldn't be told, by the reason, and what was looked for and not found."""
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.outcome == "could not tell":
            reasons.setdefault(finding.explanation, []).append(finding.code)
    for reason, codes in reasons.items():
        yield f"could not tell: {', '.join(codes)}: {escape(printable(reason))}"
    absent = [finding.code for finding in findings if finding.outcome == "not found"]
    if absent:
        yield f"not found: {', '.join(absent)}"


def _numbers(finding: Finding) -> str:
    """`gap 0.312 (threshold 0.1)`: what was measured, beside what it was compared with."""
    numbers = (
        f"{name} {value:.4g}" + (f" (threshold {finding.thresholds[name]:.4g})" if name in finding.thresholds else "")
        for name, value in finding.measured.items()
    )
    return ", ".join(numbers)


def _remedy(finding: Finding, of_run: bool) -> str:
    changes = [shlex.quote(f"{name}={value}") for name, value in finding.remedy.items()]
    if of_run:
        return escape(f"when training: {' '.join(f'--set {change}' for change in changes)}")
    return escape(f"in a recipe of unfreeze: {', '.join(changes)}")
