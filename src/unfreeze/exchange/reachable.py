"""Whether a site that holds pretrained weights can be reached."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

_TIMEOUT_S = 5.0
# Hugging Face's variable, by which people already say that they want no downloads.
_OFFLINE = "HF_HUB_OFFLINE"


def is_reachable(url: str) -> bool:
    """Whether the host of a URL answers within five seconds; a proxy answers for every host, and `HF_HUB_OFFLINE` for none."""
    if os.environ.get(_OFFLINE):
        return False
    if {"http", "https", "all"} & set(getproxies()):
        return True
    address = urlsplit(url)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True
