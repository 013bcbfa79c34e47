"""`unfreeze demo`: the main job on pictures and weights that come with pip packages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import INTERRUPTED, QuietOption

# Digits are small scans, so a small input does; a mirrored digit is another sign, and cropping cuts strokes off.
_RECIPE: dict[str, Any] = {
    "model": "efficientnet_lite0",
    "input": {"side_px": 96},
    "augment": {"flip": False, "crop_min_area": 0.8, "jitter": 0.0},
    "head_only": {"epochs": 4},
    "unfrozen": {"epochs": 6, "rate": 1e-3},
    "unfreeze": {"stages": 3},
}


def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Where to put pictures and runs; default runs/<time>-demo.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Do it all, offline: 1,797 handwritten digits, a network pretrained on ImageNet, two strategies compared."""
    from unfreeze import api
    from unfreeze.cli.show import say, show_inspection, show_plan, show_run
    from unfreeze.cli.watch import scan_progress, watching
    from unfreeze.data.digits import write_digits
    from unfreeze.training.run_folder import new_run_folder

    started = time.perf_counter()
    folder = new_run_folder(out, Path("demo"), "digits")
    tell = (lambda _: None) if quiet else say
    pictures = folder / "pictures"
    tell(f"[bold]unfreeze inspect {pictures}[/]\n")
    write_digits(pictures)
    with scan_progress(quiet) as progress:
        inspection = api.inspect(pictures, progress=progress)
    if not quiet:
        show_inspection(inspection)
    runs = {}
    for strategy in ("feature-extraction", "fine-tune-top"):
        tell(f"\n[bold]unfreeze train {pictures} --strategy {strategy}[/]\n")
        with watching(quiet) as watcher:
            runs[strategy] = api.train(
                pictures,
                out=folder / strategy,
                watcher=watcher,
                on_plan=None if quiet else show_plan,
                strategy=strategy,
                **_RECIPE,
            )
        if runs[strategy].interrupted:
            raise typer.Exit(INTERRUPTED)
    show_run(runs["fine-tune-top"])
    tell(f"\nThe same pictures, the same network, two strategies ({time.perf_counter() - started:.0f} s in all):")
    for strategy, run in runs.items():
        assert run.test is not None  # the digits have test pictures
        low, high = run.test.interval
        tell(f"  {strategy:20s} test accuracy {run.test.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})")
    tell("\nNow with your own pictures, one folder per class: [bold]unfreeze train FOLDER[/]")
