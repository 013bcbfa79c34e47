"""Options that several commands share, and how flags become changes to a recipe."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from unfreeze.errors import RecipeError

# The status of a command that Ctrl-C ended: 128 + SIGINT, as shells have it.
INTERRUPTED = 130
# Of one that SIGTERM ended: 128 + 15.
TERMINATED = 143

DataArgument = Annotated[
    Path,
    typer.Argument(help="A folder <class>/*, a folder {train,val,test}/<class>/*, or a CSV file path,label[,split][,group]."),
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder, as `unfreeze train` made it.")]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help="A YAML file, or the name of a recipe that ships (exercise).")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
MinPrecisionOption = Annotated[
    float | None,
    typer.Option(
        "--min-precision", metavar="PART", help="Name only pictures of which this part is named right, for example 0.95."
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def status_of(terminated: bool) -> int:
    """That of a command which a signal ended."""
    return TERMINATED if terminated else INTERRUPTED


def recipe_changes(
    model: Annotated[str | None, typer.Option(help="A network's name; `unfreeze models` lists them.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="pretrained, pretrained-or-random, none (random), or a weights file.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="feature-extraction, fine-tune-top, full, gradual, or auto: chosen by evidence.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="The most that --strategy auto may take: 90s, 20m, 1.5h, or 5x feature extraction.")
    ] = None,
    stages: Annotated[int | None, typer.Option(help="How many of the last stages to unfreeze.")] = None,
    layers: Annotated[int | None, typer.Option(help="How many of the last layers to unfreeze instead.")] = None,
    head_epochs: Annotated[int | None, typer.Option(help="Epochs with the whole base frozen.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each phase with stages unfrozen.")] = None,
    head_rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Learning rate with the whole base frozen; auto looks for it.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="Learning rate with stages unfrozen; auto looks for it.")
    ] = None,
    lr: Annotated[str | None, typer.Option("--lr", metavar="auto", help="Both rates, looked for by range tests.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="How the rate changes: cosine, one-cycle, step, plateau … (docs/schedules.md).")
    ] = None,
    side: Annotated[int | None, typer.Option(help="Side of the network's input, in pixels.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures per step.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Dropout of the head, 0 to 1.")] = None,
    class_weights: Annotated[bool, typer.Option("--class-weights", help="Weigh rare classes more in the loss.")] = False,
    oversample: Annotated[bool, typer.Option("--oversample", help="Repeat pictures of rare classes.")] = False,
    classes: Annotated[str | None, typer.Option(help="Use these classes only, separated by commas.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Keep a patient, camera or session in one split: folder:1, name:EXPRESSION, or column:NAME of a CSV file.",
        ),
    ] = None,
    views: Annotated[int | None, typer.Option(help="Random views of each picture, shown in turn.")] = None,
    trivial: Annotated[bool, typer.Option("--trivial", help="TrivialAugment: one more random change to each view.")] = False,
    mixup: Annotated[
        float | None, typer.Option(metavar="A", help="Blend pictures and targets, in parts from Beta(A, A): 0.2.")
    ] = None,
    cutmix: Annotated[
        float | None, typer.Option(metavar="A", help="Put boxes of other pictures in, of areas from Beta(A, A): 1.")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(help="Keep what the frozen part computes: auto, on, off, or a folder to keep it in.")
    ] = None,
    cache_limit: Annotated[str | None, typer.Option(help="The most the cache may hold: 20GB, 500MB.")] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes splits, order, augmentation, initial weights.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same bytes in every run of one seed, on a GPU too.")
    ] = False,
    framework: Annotated[str | None, typer.Option(help="torch or tensorflow; for train also both.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any value of the recipe: head.hidden=[256]. Repeatable."),
    ] = None,
) -> dict[str, Any]:
    """The flags that were given, as dotted recipe names with their values; `--set` wins.

    Raises:
        RecipeError: a `--set` that isn't NAME=VALUE, a rate that is no number, a `--cache-limit` that isn't a size.
    """
    from unfreeze.recipe.read import parse_assignment

    given: dict[str, Any] = {
        "model": model,
        "weights": weights,
        "strategy": strategy,
        "budget": budget,
        "unfreeze.stages": stages,
        "unfreeze.layers": layers,
        "head_only.epochs": head_epochs,
        "unfrozen.epochs": epochs,
        **_both_rates(lr, strategy),
        **_rate("--head-rate", "head_only.rate", head_rate),
        **_rate("--rate", "unfrozen.rate", rate),
        **_schedule_changes(schedule, strategy),
        "input.side_px": side,
        "input.batch_size": batch_size,
        "head.dropout": dropout,
        "imbalance.class_weights": "balanced" if class_weights else None,
        "imbalance.oversample": oversample or None,
        "data.classes": split_names(classes),
        "data.group_by": group_by,
        "augment.views": views,
        "augment.trivial": trivial or None,
        "augment.mixup": mixup,
        "augment.cutmix": cutmix,
        **_cache_changes(cache),
        "cache.limit_gb": _gigabytes(cache_limit),
        "seed": seed,
        "device": device,
        "precision": precision,
        "deterministic": deterministic or None,
        "framework": framework,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return changes | dict(parse_assignment(text) for text in assignments or [])


def _schedule_changes(schedule: str | None, strategy: str | None) -> dict[str, str | None]:
    """For all phases there are."""
    sections = ("head_only",) if strategy == "feature-extraction" else ("head_only", "unfrozen")
    return {f"{section}.schedule.name": schedule for section in sections}


def _both_rates(lr: str | None, strategy: str | None) -> dict[str, str]:
    """Raises RecipeError for anything but `auto`: one number would do for one phase only."""
    if lr is None:
        return {}
    if lr.lower() != "auto":
        raise RecipeError(f"--lr: '{lr}' won't do: give auto, or numbers apart, with --head-rate and --rate")
    sections = ("head_only",) if strategy == "feature-extraction" else ("head_only", "unfrozen")
    return {f"{section}.rate": "auto" for section in sections}


def _rate(flag: str, key: str, text: str | None) -> dict[str, float | str]:
    """Raises RecipeError for what is neither a number nor `auto`."""
    if text is None:
        return {}
    if text.lower() == "auto":
        return {key: "auto"}
    try:
        return {key: float(text)}
    except ValueError:
        raise RecipeError(f"{flag}: '{text}' won't do: give a number like 5e-4, or auto") from None


def _cache_changes(cache: str | None) -> dict[str, str]:
    """Raises RecipeError for what is neither a way to use the cache nor a folder."""
    if cache is None:
        return {}
    if cache.lower() in ("auto", "on", "off"):
        return {"cache.use": cache.lower()}
    if cache.lower() in ("", "true", "false", "none", "yes", "no"):
        raise RecipeError(f"--cache: '{cache}' won't do: give auto, on, off, or a folder (one of this name as ./{cache})")
    return {"cache.folder": cache}


def _gigabytes(size: str | None) -> float | None:
    """`20GB`, `500 MB` or `1.5TB` in 10⁹ bytes; a bare number is in GB."""
    if size is None:
        return None
    parts = re.fullmatch(r"([\d.]+)\s*(MB|GB|TB|)", size.strip(), re.IGNORECASE)
    try:
        if parts is None:
            raise ValueError
        return float(parts[1]) * {"MB": 1e-3, "GB": 1, "": 1, "TB": 1e3}[parts[2].upper()]
    except ValueError:
        raise RecipeError(f"--cache-limit: '{size}' isn't a size: write it like 20GB or 500MB") from None


def split_names(text: str | None) -> list[str] | None:
    """`a, b` as `["a", "b"]`."""
    return [name.strip() for name in text.split(",")] if text else None


def takes_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command all the flags of `recipe_changes`, and their changes as its argument `changes`."""
    own = _parameters(command)
    del own["changes"]
    # An option of the command's own is nearer than a flag of the same name.
    flags = {name: parameter for name, parameter in _parameters(recipe_changes).items() if name not in own}

    @functools.wraps(command)
    def with_flags(**values: Any) -> None:
        changes = recipe_changes(**{name: values.pop(name) for name in flags})
        command(changes=changes, **values)

    with_flags.__signature__ = inspect.Signature([*own.values(), *flags.values()])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {name: parameter.annotation for name, parameter in (own | flags).items()}
    return with_flags


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters by keyword, with their annotations as types: Typer reads the options from them."""
    hints = typing.get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
    }
