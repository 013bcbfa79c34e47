"""`unfreeze evaluate`: how a run's model does on labelled pictures."""

from __future__ import annotations

from unfreeze.cli.options import DataArgument, DeviceOption, MinPrecisionOption, RunArgument


def evaluate(
    run: RunArgument, data: DataArgument, min_precision: MinPrecisionOption = None, device: DeviceOption = "auto"
) -> None:
    """Score a run's model on labelled pictures: accuracy, per class, confusion matrix. In Python: unfreeze.evaluate."""
    from unfreeze import api
    from unfreeze.cli.show import show_evaluation
    from unfreeze.cli.watch import scan_progress

    with scan_progress() as progress:
        evaluation = api.evaluate(run, data, device=device, min_precision=min_precision, progress=progress)
    show_evaluation(evaluation, str(data))
