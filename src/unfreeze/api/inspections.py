"""Looking at a folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unfreeze.cache.folder import cache_folder
from unfreeze.data.scan import Progress, scan
from unfreeze.data.summary import Inspection, summarise


def inspect(data: str | Path, *, classes: Sequence[str] | None = None, progress: Progress | None = None) -> Inspection:
    """Looks at a folder or manifest: counts, sizes, what can't be read. Twin of `unfreeze inspect`.

    Raises:
        DataError: it can't be used at all.
    """
    return summarise(scan(Path(data), tuple(classes) if classes else None, progress, cache_folder()))
