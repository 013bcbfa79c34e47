"""Whether the hub that holds pretrained weights can be reached."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies

import huggingface_hub.constants

_TIMEOUT_S = 5.0


@contextlib.contextmanager
def offline_where_unreachable() -> Iterator[bool]:
    """Spares 46 s of retries where the hub can't be reached: then only its cache on this machine is looked at."""
    reachable = _hub_reachable()
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = before or not reachable
    try:
        yield reachable
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before


def _hub_reachable() -> bool:
    if os.environ.get("HF_HUB_OFFLINE") or huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    if {"http", "https", "all"} & set(getproxies()):
        return True  # a proxy answers for it
    address = urlsplit(huggingface_hub.constants.ENDPOINT)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True
