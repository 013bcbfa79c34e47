"""`unfreeze models`: what can be used."""

from __future__ import annotations

from typing import Annotated

import typer

from unfreeze.errors import ModelError


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="A network, for its stages and input contract; or a pattern with *, for a list."),
    ] = None,
    framework: Annotated[str | None, typer.Option(help="Those of torch or tensorflow only.")] = None,
) -> None:
    """List networks; with a name, show its stages and what input it expects. In Python: unfreeze.models."""
    from unfreeze import api
    from unfreeze.cli.show import show_models, show_network

    if name is not None and "*" not in name:
        show_network(api.describe_model(name, framework=framework))
        return
    entries = api.models(name, framework=framework)
    if not entries:
        raise ModelError(f"no network matches '{name}'{f' in {framework}' if framework else ''}")
    show_models(entries, tested_only=name is None)
