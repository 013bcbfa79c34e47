"""`unfreeze predict`: name new pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unfreeze.cli.options import DeviceOption, MinPrecisionOption, RunArgument


def predict(
    run: RunArgument,
    paths: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write a CSV file with a probability per class.")] = None,
    min_precision: MinPrecisionOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Name new pictures with a run's model. In Python: unfreeze.predict."""
    from unfreeze import api
    from unfreeze.cli.show import show_abstention, show_predictions

    predictions = api.predict(run, paths, to=to, device=device, min_precision=min_precision)
    show_predictions(predictions, to)
    if min_precision is not None:
        show_abstention(api.abstention(run, min_precision), min_precision)
