"""What users may rely on: the public names, and that looking at them loads no framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

import unfreeze

PUBLIC = {
    "UnfreezeError", "abstention", "check_inputs", "clear_cache", "compare", "convert", "describe_model", "diagnose",
    "draw_plan", "evaluate", "find_rate", "improve", "inspect", "list_cache", "models", "open_run", "plan", "predict",
    "read_table", "resume", "train", "tune", "write_report",
}  # fmt: skip
FRAMEWORKS = ("torch", "torchvision", "timm", "tensorflow", "keras", "keras_hub", "triton", "jax")
# Quick to import as long as these stay out: they take longer than all the rest together.
SLOW = ("numpy", "scipy", "sklearn", "matplotlib", "grain", "pydantic", "PIL")


def modules_after(code: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(printed.stdout.splitlines()[-1].split())


def test_the_public_names_are_these() -> None:
    assert set(unfreeze.__all__) == PUBLIC
    assert all(callable(getattr(unfreeze, name)) for name in PUBLIC)
    assert set(dir(unfreeze)) >= PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'unfreeze' has no attribute 'trane'"):
        unfreeze.trane  # noqa: B018


@pytest.mark.parametrize("code", ["import unfreeze", "import unfreeze.cli.main"])
def test_importing_loads_no_framework_and_nothing_slow(code: str) -> None:
    assert modules_after(code).isdisjoint({*FRAMEWORKS, *SLOW})


def test_help_loads_no_framework() -> None:
    code = "\n".join([
        "from unfreeze.cli.main import app",
        "for command in ([], ['train'], ['plan']):",
        "    try: app([*command, '--help'])",
        "    except SystemExit: pass",
    ])  # fmt: skip
    # Typer itself loads pydantic to describe options.
    assert modules_after(code).isdisjoint({*FRAMEWORKS, *SLOW} - {"pydantic"})


@pytest.mark.parametrize(
    ("does", "status"), [("pass", 0), ("raise SystemExit(130)", 130), ("raise SystemExit('no')", 1), ("1 / 0", 1)]
)
def test_a_command_ends_at_once_with_its_status_and_all_it_printed(does: str, status: int) -> None:
    code = "\n".join([
        "import atexit, unfreeze.__main__ as command",
        "def main():",
        "    atexit.register(print, 'cleaned up')",
        "    print('done')",
        f"    {does}",
        "command.main = main",
        "command.run()",
    ])  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split("\n")) == (status, ["done", "cleaned up", ""])
    assert ("ZeroDivisionError" in ended.stderr) == (does == "1 / 0")


def test_the_core_loads_no_framework() -> None:
    code = "import unfreeze.api, unfreeze.cli.show, unfreeze.cli.watch, unfreeze.torch, unfreeze.keras"
    assert modules_after(code).isdisjoint(FRAMEWORKS)


def test_a_framework_that_is_not_installed_names_the_extra() -> None:
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import unfreeze\n"
        "try: unfreeze.models(framework='torch')\n"
        "except unfreeze.UnfreezeError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "framework: torch needs the package torch, which isn't installed: pip install 'unfreeze[torch]'\n"
