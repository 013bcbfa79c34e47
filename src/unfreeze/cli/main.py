"""The command `unfreeze`.

Status 0: done. 2: something asked for can't be, said in one line on stderr. 130: ended by Ctrl-C. 143: by SIGTERM.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from typing import Any

import typer

from unfreeze.cli import (
    cache,
    check_inputs,
    compare,
    convert,
    demo,
    diagnose,
    evaluate,
    find_lr,
    improve,
    inspect,
    models,
    plan,
    predict,
    report,
    resume,
    train,
    tune,
)  # fmt: skip
from unfreeze.cli.options import status_of
from unfreeze.errors import UnfreezeError
from unfreeze.files import in_words, is_of_the_machine
from unfreeze.report.labels import visible
from unfreeze.training.interruption import Terminated

WRONG_INPUT = 2

app = typer.Typer(
    help="Fine-tune a pretrained CNN on your own folder of images: the right way, fast, and explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Runs the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A console or pipe that can't write a character, or a file name that isn't text, must not end a training.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _with_status(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with errors and Ctrl-C turned into a line on stderr and a status."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except UnfreezeError as error:
            print(f"unfreeze: {visible(str(error))}", file=sys.stderr)
            raise typer.Exit(WRONG_INPUT) from None
        except (MemoryError, OSError) as error:
            if not is_of_the_machine(error):
                raise
            print(f"unfreeze: {in_words(error)}", file=sys.stderr)
            raise typer.Exit(WRONG_INPUT) from None
        except KeyboardInterrupt as error:
            print("unfreeze: interrupted", file=sys.stderr)
            raise typer.Exit(status_of(isinstance(error, Terminated))) from None

    return run


for _command in (
    inspect.inspect, check_inputs.check_inputs, find_lr.find_lr, plan.plan, train.train, resume.resume, tune.tune,
    diagnose.diagnose, improve.improve, evaluate.evaluate, predict.predict, report.report, compare.compare, convert.convert,
    models.models, demo.demo,
):  # fmt: skip
    app.command()(_with_status(_command))

_cache = typer.Typer(help="What is kept to save time: show it, delete it.", no_args_is_help=True)
_cache.command("list")(_with_status(cache.list_))
_cache.command("clear")(_with_status(cache.clear))
app.add_typer(_cache, name="cache")


if __name__ == "__main__":
    main()
