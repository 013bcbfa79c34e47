"""Plain values as what they are said to be: a run's files may have been edited by hand, or damaged."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def typed(kind: type[T], values: Any) -> T:
    """A dataclass from its values as JSON has them, each of the type it is said to have; names it doesn't know are left out.

    Raises:
        ValueError: one is missing or of another type; the message names the first.
    """
    try:
        value: T = _adapter(cast(Hashable, kind)).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
    return value


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, kind))
