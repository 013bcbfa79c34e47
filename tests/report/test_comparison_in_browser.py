"""The page of a comparison as a browser shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.browser import CLICK_EVERYTHING, LOOK, find_browser, open_page
from support.made_up_run import CLASSES, HISTORY, made_up_dataset, with_pictures, write_run
from unfreeze.report.comparison.comparison import compare_runs
from unfreeze.report.comparison.page import write_comparison

USE = """
  const rows = () => [...document.querySelectorAll("#classes tbody tr")];
  const column = (place) => rows().map((row) => Number(row.cells[place].dataset.sort));
  const header = document.querySelectorAll("#classes th")[3];
  header.querySelector("button").click();
  const up = [column(3), header.getAttribute("aria-sort")];
  header.querySelector("button").click();
  return {
    up, down: [column(3), header.getAttribute("aria-sort")],
    verdict: document.querySelector("h1").textContent.replaceAll("\\u00a0", " "),
    pictures: [...document.querySelectorAll("#disputed img")].map((image) => image.naturalWidth),
    bars: [...document.querySelectorAll(".accuracies .at")].map((dot) => dot.getBoundingClientRect().left),
    strokes: [...document.querySelectorAll(".charts .line")].map((line) => getComputedStyle(line).stroke),
  };
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same 45 test pictures, and an unfinished one beside them in a folder of its own."""
    find_browser()
    folder = tmp_path_factory.mktemp("compared")
    pictures = with_pictures(made_up_dataset(folder / "pictures", CLASSES, 15))
    write_run(folder / "careful", pictures, wrong=0.1)
    write_run(folder / "hasty", pictures, wrong=0.6)
    write_run(folder / "unfinished", pictures, splits=[], history=HISTORY[:1], findings=[], interrupted=True)
    write_comparison(compare_runs([folder / "careful", folder / "hasty"]), folder / "two")
    write_comparison(compare_runs([folder / "careful", folder / "hasty", folder / "unfinished"]), folder / "three")
    return folder


@pytest.mark.parametrize("page", ["two", "three"])
def test_everything_can_be_clicked(compared: Path, tmp_path: Path, page: str) -> None:
    seen = open_page(compared / page / "comparison.html", CLICK_EVERYTHING, tmp_path)
    assert seen["clicked"] > 6
    assert seen["broken"] == seen["unreachable"] == []


def test_it_shows_what_the_facts_say(compared: Path, tmp_path: Path) -> None:
    seen = open_page(compared / "two/comparison.html", USE, tmp_path)
    facts = json.loads((compared / "two/comparison.json").read_text(encoding="utf-8"))
    assert seen["verdict"] == facts["verdict"]
    assert facts["better"] == "careful"
    recalls = sorted(row["recalls"][1] for row in facts["classes"])
    assert seen["up"] == [recalls, "ascending"]
    assert seen["down"] == [recalls[::-1], "descending"]
    assert seen["pictures"] == [32] * min(24, facts["disputed"]["differing"])
    better, worse = seen["bars"]
    assert better > worse
    assert len(set(seen["strokes"])) == 2


@pytest.mark.parametrize(("page", "width", "dark"), [("two", 1280, False), ("three", 360, True)])
def test_it_can_be_read(compared: Path, tmp_path: Path, page: str, width: int, dark: bool) -> None:
    seen = open_page(compared / page / "comparison.html", LOOK, tmp_path, width, dark)
    assert seen["checked"] > 60
    assert seen["pale"] == []
    assert seen["width"] <= seen["room"] == width
    assert (seen["ground"] == "rgb(255, 255, 255)") == (not dark)
