"""What the documentation says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from unfreeze.inspection.inspection import CODES
from unfreeze.recipe.read import validate_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.recipe.strategies import DEFAULT_STAGES, DEFAULT_WEIGHT_DECAY

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "inspect",
    "check-inputs",
    "find-lr",
    "plan",
    "train",
    "tune",
    "diagnose",
    "improve",
    "evaluate",
    "predict",
    "report",
    "compare",
    "convert",
    "models",
    "cache list",
    "cache clear",
    "demo",
)


def test_the_recipe_page_lists_every_key_with_its_default() -> None:
    page = (ROOT / "docs/recipe.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    values = yaml.safe_load(block.group(1))
    assert values == Recipe().model_dump(mode="json")
    assert validate_recipe(values) == Recipe()
    assert f"stages (null: {DEFAULT_STAGES})" in page
    assert f"(auto: {DEFAULT_WEIGHT_DECAY})" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_commands_page(command: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "unfreeze", *command.split(), "--help"], check=True, capture_output=True, text=True
    )
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert f"unfreeze {command}" in page
    options = set(re.findall(r"--[a-z][a-z-]+", printed.stdout)) - {"--help"}
    assert {option for option in options if option not in page} == set()


def test_the_inspection_page_lists_every_code() -> None:
    page = (ROOT / "docs/inspection.md").read_text(encoding="utf-8")
    assert {code for code in CODES if f"`{code}`" not in page} == set()


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
