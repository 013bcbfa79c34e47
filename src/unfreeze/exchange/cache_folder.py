"""The person's cache folder: what can be made again, and would take a while."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "UNFREEZE_CACHE"


def cache_folder() -> Path:
    """`UNFREEZE_CACHE`, or the system's folder for caches; it needn't exist yet."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("unfreeze")
