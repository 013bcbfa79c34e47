"""Calls into a process of their own: one process loads one framework, and TensorFlow before Triton aborts it.

    call("unfreeze.backends.torch.graph:write_graph", recipe={…}, folder="…")

runs that function in a child and gives back what it returned. Arguments and result are plain JSON values. An `UnfreezeError`
in the child is raised again here, with its class and message.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from unfreeze import errors
from unfreeze.errors import FrameworkError, UnfreezeError


def call(function: str, **arguments: Any) -> Any:
    """Runs `module:function` with keyword arguments in a child process.

    What the child prints goes to this process's stderr.

    Raises:
        UnfreezeError: of the class the child raised.
        FrameworkError: the child ended without an answer, or lacks a package.
    """
    with tempfile.TemporaryDirectory(prefix="unfreeze-") as folder:
        answer = Path(folder, "answer.json")
        command = [sys.executable, "-P", "-m", "unfreeze.exchange.apart", str(answer)]
        question = json.dumps({"function": function, "arguments": arguments})
        done = subprocess.run(command, input=question, text=True, encoding="utf-8", env=_environment())
        if not answer.is_file():
            raise FrameworkError(
                f"{function} ended with status {done.returncode} in a process of its own, without an answer. What it printed"
                " says why; where it printed nothing, memory may have run out: try a smaller network or input.side_px."
            )
        return _result(json.loads(answer.read_text(encoding="utf-8")))


def _environment() -> dict[str, str]:
    """The child imports from where this process does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    return answer["result"]


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    module, _, name = question["function"].partition(":")
    try:
        return {"result": getattr(importlib.import_module(module), name)(**question["arguments"])}
    except UnfreezeError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        return {
            "error": "FrameworkError",
            "message": f"the package {missing} isn't installed: pip install 'unfreeze[torch,tensorflow]'",
        }


def _main() -> None:
    answer = json.dumps(_answer(json.loads(sys.stdin.read())))
    temporary = Path(sys.argv[1] + ".tmp")
    temporary.write_text(answer, encoding="utf-8")
    temporary.replace(sys.argv[1])


if __name__ == "__main__":
    os.dup2(2, 1)
    try:
        _main()
    except KeyboardInterrupt:  # the parent got it too, and says so
        sys.exit(130)
