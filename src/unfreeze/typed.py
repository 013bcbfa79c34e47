"""Plain values as what they are said to be: a run's files may have been edited by hand, or damaged."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
_LONGEST_PLACE = 200


def typed(kind: type[T], values: Any) -> T:
    """A dataclass from its values as JSON has them, each of the type it is said to have; names it doesn't know are left out.

    Raises:
        ValueError: one is missing or of another type; the message names the first.
    """
    try:
        value: T = _adapter(cast(Hashable, kind)).validate_python(values)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None
    return value


def first_mistake(error: ValidationError) -> str:
    """The first of what Pydantic found wrong, in one line: where and what, without the value, which may be of any size."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))[:_LONGEST_PLACE]
    return f"{place}: {first['msg']}" if place else first["msg"]


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))
