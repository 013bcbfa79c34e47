"""Methods that run within a context of their object: a framework's deterministic mode, where its recipe asks for it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])
_END = object()


def within(context: Callable[[Any], AbstractContextManager[None]]) -> Callable[[Method], Method]:
    """A decorator of methods: they run within `context(self)`, and generators leave it between what they give.

    So what is switched on for the whole process is switched on for this object's work alone.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def called(self: Any, *args: Any, **kwargs: Any) -> Any:
            with context(self):
                return method(self, *args, **kwargs)

        @functools.wraps(method)
        def generated(self: Any, *args: Any, **kwargs: Any) -> Any:
            results = method(self, *args, **kwargs)
            try:
                while True:
                    with context(self):
                        result = next(results, _END)
                    if result is _END:
                        return
                    yield result
            finally:
                results.close()

        return cast(Method, generated if inspect.isgeneratorfunction(method) else called)

    return decorate
