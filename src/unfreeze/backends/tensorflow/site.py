"""Whether the site that holds the weights of `keras.applications` can be reached."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import getproxies

from keras.src.utils import file_utils

_HOST, _PORT = "storage.googleapis.com", 443
_TIMEOUT_S = 5.0


@contextlib.contextmanager
def offline_where_unreachable() -> Iterator[bool]:
    """Keras's downloads wait without a limit; where the site can't be reached, only its cache on this machine is looked at.

    What Keras says of a download, on the standard output, goes to standard error.
    """
    reachable = _site_reachable()
    before = file_utils.urlretrieve
    file_utils.urlretrieve = before if reachable else _refuse
    try:
        with contextlib.redirect_stdout(sys.stderr if reachable else io.StringIO()):
            yield reachable
    finally:
        file_utils.urlretrieve = before


def _refuse(*_: Any) -> None:
    raise OSError("offline")


def _site_reachable() -> bool:
    if os.environ.get("HF_HUB_OFFLINE"):  # one word for "no network" in both backends
        return False
    if {"http", "https", "all"} & set(getproxies()):
        return True  # a proxy answers for it
    try:
        socket.create_connection((_HOST, _PORT), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True
