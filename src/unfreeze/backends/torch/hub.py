"""Whether the hub that holds pretrained weights can be reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import huggingface_hub.constants

from unfreeze.exchange.reachable import is_reachable


@contextlib.contextmanager
def offline_where_unreachable() -> Iterator[bool]:
    """Spares 46 s of retries where the hub can't be reached: then only its cache on this machine is looked at."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    reachable = not before and is_reachable(huggingface_hub.constants.ENDPOINT)
    huggingface_hub.constants.HF_HUB_OFFLINE = before or not reachable
    try:
        yield reachable
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
