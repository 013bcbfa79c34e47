"""`unfreeze resume`: a training that was stopped goes on."""

from __future__ import annotations

import typer

from unfreeze.cli.options import QuietOption, RunArgument, status_of


def resume(run: RunArgument, quiet: QuietOption = False) -> None:
    """Go on with a training that was stopped, by whatever it was. In Python: unfreeze.resume.

    On the same machine it ends as if it had never been stopped, byte for byte. The pictures must be as they were.
    """
    from unfreeze import api
    from unfreeze.cli.both import is_of_both, resume_both
    from unfreeze.cli.show import say, show_plan, show_run
    from unfreeze.cli.watch import scan_progress, watching

    if is_of_both(run):
        resume_both(run, quiet)
        return
    if api.is_finished(run):
        if not quiet:
            say(f"{run} is finished: there is nothing to go on with")
        return
    with scan_progress(quiet) as progress, watching(quiet) as watcher:
        resumed = api.resume(run, watcher=watcher, on_plan=None if quiet else show_plan, progress=progress)
    if not quiet:
        show_run(resumed)
    if resumed.interrupted:
        raise typer.Exit(status_of(resumed.terminated))
