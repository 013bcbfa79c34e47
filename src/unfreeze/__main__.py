"""`python -m unfreeze` is the command `unfreeze`, in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys

from unfreeze.cli.main import main


def run() -> None:
    """Runs the command line and ends the process as soon as everything is written.

    Python would look for garbage among a framework's modules before it ends, which takes a second and more.
    """
    status = 1  # where an error nobody expected ends the command

    def leave() -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(status)

    atexit.register(leave)  # before all others, so it is called after them
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise


if __name__ == "__main__":
    run()
