"""`unfreeze check-inputs`: whether pictures reach a network as they did in its pretraining."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unfreeze.cli.options import DataArgument, DeviceOption

# The finding's code -> the status, for scripts. 2 is for what can't be done at all.
_STATUS = {"inputs-fit": 0, "inputs-mismatch": 1, "inputs-unknown": 3}


def check_inputs(
    model: Annotated[str, typer.Argument(help="A network's name as for train --model, or a run folder.")],
    data: DataArgument,
    framework: Annotated[str | None, typer.Option(help="torch or tensorflow.")] = None,
    weights: Annotated[str | None, typer.Option(help="As for train.")] = None,
    side: Annotated[int | None, typer.Option(help="Side of the network's input, in pixels.")] = None,
    device: DeviceOption = "auto",
    pictures: Annotated[int, typer.Option(help="How many pictures to look at.")] = 32,
    json: Annotated[bool, typer.Option("--json", help="Print the finding as JSON.")] = False,
) -> None:
    """Check that pictures reach a network as in its pretraining: channel order, value range, mean and std.

    Status 0: they do. 1: they don't, the likely mistake is named. 3: can't tell. In Python: unfreeze.check_inputs.
    """
    from unfreeze import api
    from unfreeze.cli.show_inputs import print_inputs, show_inputs

    changes: dict[str, Any] = {"framework": framework, "weights": weights, "input.side_px": side, "device": device}
    given = {name: value for name, value in changes.items() if value is not None}
    finding = api.check_inputs(model, data, pictures=pictures, **given)
    (print_inputs if json else show_inputs)(finding)
    raise typer.Exit(_STATUS[finding.code])
