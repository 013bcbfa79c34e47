"""How long tuning may take: whether another trial is begun, and whether one that goes on is stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence

from unfreeze.errors import RecipeError
from unfreeze.recipe.times import read_seconds


class Budget:
    """Seconds that count from now.

    Args:
        text: `90s`, `30m` or `1.5h`; None sets no limit.

    Raises:
        RecipeError: it is none of these, or 0.
    """

    def __init__(self, text: str | None) -> None:
        self._seconds, self._started = _seconds(text), time.monotonic()

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self._started >= self._seconds

    def has_room(self, taken: Sequence[float]) -> bool:
        """Whether a next trial would likely end in time.

        It is taken to last as long as the longest so far. The first, which computes what the others find in the cache, counts
        only as long as it is alone.

        Args:
            taken: the seconds of each trial that went to its end.
        """
        likely = max(taken[1:] or taken, default=0.0)
        return not self.is_over and time.monotonic() - self._started + likely <= self._seconds


def _seconds(text: str | None) -> float:
    try:
        return float("inf") if text is None else read_seconds(text)
    except ValueError as error:
        raise RecipeError(str(error)) from None
