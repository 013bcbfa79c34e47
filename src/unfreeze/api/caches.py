"""What is kept to save time, and how to be rid of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from unfreeze.cache import folder as cache
from unfreeze.cache.folder import Entry
from unfreeze.errors import RecipeError, did_you_mean

KINDS = (cache.ACTIVATIONS, cache.CARRIED_OVER, cache.SCANS_KIND, cache.INPUTS)
_SECONDS_PER_DAY = 86_400


class Cleared(NamedTuple):
    """What `clear_cache` did: the entries that are gone, and those that stay because a running process uses them."""

    gone: list[Entry]
    in_use: list[Entry]


def list_cache(folder: str | Path | None = None) -> list[Entry]:
    """What lies in the cache folder, least recently used first. Twin of `unfreeze cache list`.

    Args:
        folder: None is the person's (`UNFREEZE_CACHE`, or the system's place for caches).
    """
    return cache.entries(_folder(folder))


def clear_cache(folder: str | Path | None = None, *, kind: str | None = None, unused_days: float = 0) -> Cleared:
    """Deletes what lies in the cache folder; all of it can be made again. Twin of `unfreeze cache clear`.

    What a running process uses stays.

    Args:
        kind: `activations`, `carried-over`, `scans` or `inputs` only.
        unused_days: only what wasn't used for so many days.

    Raises:
        RecipeError: another kind.
    """
    if kind is not None and kind not in KINDS:
        raise RecipeError(f"kind: it can be {', '.join(KINDS)}, received '{kind}'.{did_you_mean(kind, KINDS)}")
    # A clock that was set back makes what was used before it lie in the future: that is still to be cleared.
    before = time.time() - unused_days * _SECONDS_PER_DAY if unused_days else float("inf")
    chosen = [entry for entry in list_cache(folder) if kind in (None, entry.kind) and entry.last_used <= before]
    gone = [entry for entry in chosen if cache.delete(entry)]
    return Cleared(gone, [entry for entry in chosen if entry not in gone])


def _folder(folder: str | Path | None) -> Path:
    return cache.cache_folder() if folder is None else Path(folder)
