"""`unfreeze predict`: name new pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfreeze.cli.options import DeviceOption, RunArgument


def predict(
    run: RunArgument,
    paths: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write a CSV file with a probability per class.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Name new pictures with a run's model. In Python: unfreeze.predict."""
    from unfreeze import api
    from unfreeze.cli.show import show_predictions

    predictions = api.predict(run, paths, to=to, device=device)
    show_predictions(predictions, to)
