"""What is said of frozen tensors that moved. No framework here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["statistic", "trains", "fixed"]
_NAMED = 5


@dataclass(frozen=True)
class Moved:
    """A tensor that isn't as it was.

    Attributes:
        name: as in the model's `state_dict` or, in Keras, the variable's `path`.
        kind: `statistic`, of a normalisation or the like; `trains` or `fixed`, a parameter with or without gradients.
        most: the largest change of one of its values; None where it has another shape or is gone.
    """

    name: str
    kind: Kind
    most: float | None


def explain(before: str, moved: list[Moved], checked: int, cause: str) -> str:
    """The message: how many of the tensors moved, the first by name and by how much, and the likely cause."""
    named = [
        f"{tensor.name} ({'another shape, or gone' if tensor.most is None else f'by up to {tensor.most:.3g}'})"
        for tensor in moved[:_NAMED]
    ]
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    return f"{len(moved)} of {checked} frozen tensors before '{before}' moved: {', '.join(named)}{more}. {cause}"
