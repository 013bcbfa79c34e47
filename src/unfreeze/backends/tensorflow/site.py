"""Whether the site that holds the weights of `keras.applications` can be reached."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Any

from keras.src.utils import file_utils

from unfreeze.exchange.reachable import is_reachable

_SITE = "https://storage.googleapis.com"


@contextlib.contextmanager
def offline_where_unreachable() -> Iterator[bool]:
    """Keras's downloads wait without a limit; where the site can't be reached, only its cache on this machine is looked at.

    What Keras says of a download, on the standard output, goes to standard error.
    """
    reachable = is_reachable(_SITE)
    before = file_utils.urlretrieve
    file_utils.urlretrieve = before if reachable else _refuse
    try:
        with contextlib.redirect_stdout(sys.stderr if reachable else io.StringIO()):
            yield reachable
    finally:
        file_utils.urlretrieve = before


def _refuse(*_: Any) -> None:
    raise OSError("offline")
