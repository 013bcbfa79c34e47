"""`unfreeze demo`: the main job on pictures and weights that come with pip packages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.cli.options import INTERRUPTED

# Digits are small scans, so a small input does; a mirrored digit is another sign, and cropping cuts strokes off.
_RECIPE: dict[str, Any] = {
    "model": "efficientnet_lite0",
    "input": {"side_px": 96},
    "augment": {"flip": False, "crop_min_area": 0.8, "jitter": 0.0},
    "head_only": {"epochs": 4},
    "unfrozen": {"epochs": 6},
}
_STRATEGIES = ("feature-extraction", "fine-tune-top")
_SHOWN = 5


def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Where to put pictures and runs; default runs/<time>-demo.")] = None,
) -> None:
    """Do it all, offline: handwritten digits, a network pretrained on ImageNet, two strategies compared."""
    from unfreeze import api
    from unfreeze.cli.show import say, show_evaluation, show_inspection, show_plan, show_predictions, show_run
    from unfreeze.cli.watch import scan_progress, watching
    from unfreeze.data.digits import write_digits
    from unfreeze.training.run_folder import new_run_folder

    started = time.perf_counter()
    folder = new_run_folder(out, Path("demo"), "digits")
    pictures, new = folder / "pictures", folder / "new"
    write_digits(pictures, new)

    say(f"[bold]unfreeze inspect {pictures}[/]\n")
    with scan_progress() as progress:
        show_inspection(api.inspect(pictures, progress=progress))
    runs = []
    for strategy in _STRATEGIES:
        say(f"\n[bold]unfreeze train {pictures} --strategy {strategy}[/]\n")
        with watching(quiet=False) as watcher:
            run = api.train(
                pictures, out=folder / strategy, watcher=watcher, on_plan=show_plan, strategy=strategy, **_RECIPE
            )  # fmt: skip
        if run.interrupted:
            raise typer.Exit(INTERRUPTED)
        runs.append(run)
    say(f"\n[bold]unfreeze evaluate {runs[-1].folder} {new}[/]\n")
    show_evaluation(api.evaluate(runs[-1], new), str(new))
    some = sorted(new.glob("*/*.png"))[:: len(list(new.glob("*/*.png"))) // _SHOWN]
    say(f"\n[bold]unfreeze predict {runs[-1].folder} …[/]\n")
    show_predictions(api.predict(runs[-1], some), None)
    show_run(runs[-1])
    say(f"\nThe same pictures and network, two strategies ({time.perf_counter() - started:.0f} s in all):")
    for strategy, run in zip(_STRATEGIES, runs, strict=True):
        assert run.test is not None  # the digits have test pictures
        low, high = run.test.interval
        say(f"  {strategy:20s} test accuracy {run.test.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})")
    say("\nNow with your own pictures, one folder per class: [bold]unfreeze train FOLDER[/]")
    say(f"All about the second, to be opened in a browser: [bold]{runs[-1].folder}/report.html[/]")
