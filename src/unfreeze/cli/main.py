"""The command `unfreeze`."""

from __future__ import annotations

import sys

import typer
from click.exceptions import Abort

from unfreeze.cli import demo, evaluate, inspect, models, plan, predict, train
from unfreeze.errors import UnfreezeError

app = typer.Typer(
    help="Fine-tune a pretrained CNN on your own folder of images: the right way, fast, and explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(inspect.inspect)
app.command()(plan.plan)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(models.models)
app.command()(demo.demo)

WRONG_INPUT, INTERRUPTED = 2, 130


def main() -> None:
    """Runs the command line. Status 0: done. 2: something asked for can't be, said on stderr. 130: Ctrl-C."""
    try:
        app(standalone_mode=True)
    except UnfreezeError as error:
        print(f"unfreeze: {error}", file=sys.stderr)
        sys.exit(WRONG_INPUT)
    except (KeyboardInterrupt, Abort):
        print("unfreeze: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
