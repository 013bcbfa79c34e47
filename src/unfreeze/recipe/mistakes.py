"""Pydantic's mistakes in the words of a recipe: one line each, by its dotted name, with the nearest name that would do."""

from __future__ import annotations

import reprlib
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from unfreeze.errors import did_you_mean
from unfreeze.recipe.recipe import Recipe

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 120
_LONGEST_NAME = 120


def shown(value: Any) -> str:
    """A value as a message shows it: in full where it is short, else its beginning and end."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def explain(error: ValidationError) -> list[str]:
    """One line per mistake: Pydantic has one per alternative it tried, of which several may stand at the same place."""
    places: dict[str, list[Any]] = {}
    for problem in error.errors():
        places.setdefault(".".join(_path(problem["loc"])), []).append(problem)
    # `class_weights: {cat: -1}` isn't 'balanced' either, which isn't what is wrong with it.
    return [
        _line(dotted, problems)
        for dotted, problems in places.items()
        if not (problems[0]["type"] == "literal_error" and any(other.startswith(f"{dotted}.") for other in places))
    ]


def _line(dotted: str, problems: list[Any]) -> str:
    problem, path = problems[0], _path(problems[0]["loc"])
    received = problem["input"]
    if problem["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        listed = f" Known here: {', '.join(sorted(known))}."
        return f"{dotted}: there is no such key.{did_you_mean(path[-1], known) or listed}"
    if problem["type"] == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{dotted}: {message}" if dotted else message
    if problem["type"] == "model_type":
        where = f"{dotted} has parts: {', '.join(_keys_at(path))}" if dotted else "a recipe is `name: value` lines"
        return f"{where}. Received {shown(received)}."
    wanted = ", or ".join(_wanted(problem) for problem in problems)
    choices = [choice for problem in problems for choice in _choices(problem)]
    suggestion = did_you_mean(received, choices) if isinstance(received, str) else ""
    if problem["type"] == "string_type" and not isinstance(received, (list, dict, type(None))):
        suggestion = " Put it in quotes."  # YAML reads 7, 010, no and 2024-01-01 as something other than text
    return f"{dotted}: should be {wanted}, received {shown(received)}.{suggestion}"


def _wanted(problem: Any) -> str:
    """What would do, in the words of YAML rather than of Python."""
    text = str(problem["msg"]).removeprefix("Input should be ").replace("Keys should be strings", "a name")
    return text.replace("a valid tuple", "a list").replace("a valid dictionary", "`name: value` lines")


def _path(location: tuple[int | str, ...]) -> list[str]:
    """A location without what Pydantic adds to our keys: which alternative of a union it tried, and `[key]`."""
    model: Any = Recipe
    parts = list(location)
    path: list[str] = []
    while parts and model is not None and parts[0] in model.model_fields:
        annotation = model.model_fields[parts[0]].annotation
        path.append(str(parts.pop(0)))
        model = _section(annotation)
        alternatives = [kind for kind in get_args(annotation) if kind is not type(None)]
        if get_origin(annotation) in (Union, UnionType) and len(alternatives) > 1:
            parts = parts[1:]
    if len(parts) > 1 and parts[-1] == "[key]":
        parts.pop()
    return path + [str(part)[:_LONGEST_NAME] for part in parts]


def _choices(problem: Any) -> list[str]:
    expected = str(problem.get("ctx", {}).get("expected", ""))
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _keys_at(path: list[str]) -> list[str]:
    model: Any = Recipe
    for key in path:
        model = _section(model.model_fields[key].annotation)
    return list(model.model_fields)


def _section(annotation: Any) -> Any:
    """The section that a field holds, or None where it holds a value."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
