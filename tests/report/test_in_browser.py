"""The page as a browser shows it: nothing fails, every link and button does something, and the right thing; by keyboard too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.browser import CLICK_EVERYTHING, LOOK, find_browser, open_page
from support.made_up_run import CLASSES, HISTORY, made_up_dataset, with_pictures, write_maps, write_run
from unfreeze.inspection.finding import DataFinding
from unfreeze.report.page import write_report

HELPERS = """
  const byId = (id) => document.getElementById(id);
  const shown = () => [...byId("gallery").children].filter((item) => item.checkVisibility());
  const choose = (id, value) => { byId(id).value = value; byId(id).dispatchEvent(new Event("change")); };
"""
USE = (
    HELPERS
    + """
  const seen = {};
  const facts = (item) => [item.dataset.true, item.dataset.named, item.dataset.sure];
  seen.first = { which: byId("which").value, shown: shown().map(facts) };
  choose("which", "right");
  seen.right = shown().map((item) => item.dataset.true === item.dataset.named);
  choose("which", ""); choose("of-class", "2"); choose("order", "1");
  seen.owls = shown().map((item) => [item.dataset.true, Number(item.dataset.sure)]);
  seen.said = byId("how-many").textContent;
  byId("filter").reset();
  await new Promise((done) => setTimeout(done, 20));
  seen.reset = shown().length;
  seen.cells = [...document.querySelectorAll(".confusion td a")].map((cell) => {
    cell.click();
    return { count: Number(cell.querySelector(".count").textContent), of: [cell.dataset.true, cell.dataset.named],
      shown: shown().map((item) => [item.dataset.true, item.dataset.named]), focus: document.activeElement.id };
  });
  const recall = document.querySelectorAll("#classes th")[3];
  const column = () => [...document.querySelectorAll("#classes tbody tr")].map((row) => Number(row.cells[3].dataset.sort));
  recall.querySelector("button").click();
  seen.up = [column(), recall.getAttribute("aria-sort")];
  recall.querySelector("button").click();
  seen.down = [column(), recall.getAttribute("aria-sort")];
  const look = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
  seen.counts = [look(".count", "display"), look(".rate", "display")];
  byId("as-rates").click();
  seen.rates = [look(".count", "display"), look(".rate", "display")];
  seen.cold = look(".warm", "opacity");
  byId("show-heat").click();
  seen.warm = look(".warm", "opacity");
  return seen;
"""
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    find_browser()
    folder = tmp_path_factory.mktemp("browser") / "run"
    pictures = with_pictures(made_up_dataset(folder.parent / "pictures", CLASSES, 15))
    names = [record.name for record in pictures.split("test")]
    found = DataFinding("leakage", "error", "copies in two splits", ((names[0], names[1]),), advice="remove them")
    write_run(folder, pictures, data_findings=[found], wrong=0.5)
    write_maps(folder, names)
    write_report(folder)
    return folder


def test_everything_can_be_clicked(run: Path, tmp_path: Path) -> None:
    seen = open_page(run / "report.html", CLICK_EVERYTHING, tmp_path)
    assert seen["clicked"] > 40
    assert seen["broken"] == seen["unreachable"] == []


def test_clicks_show_what_they_say(run: Path, tmp_path: Path) -> None:
    seen, facts = open_page(run / "report.html", USE, tmp_path), json.loads((run / "report.json").read_text(encoding="utf-8"))
    confusion = facts["scores"]["test"]["confusion"]
    mistakes = 45 - sum(confusion[k][k] for k in range(3))
    assert seen["first"]["which"] == "wrong"
    assert len(seen["first"]["shown"]) == seen["reset"] == min(24, mistakes)
    assert all(true != named for true, named, _ in seen["first"]["shown"])
    sure = [float(value) for *_, value in seen["first"]["shown"]]
    assert sure == sorted(sure, reverse=True)
    assert seen["right"]
    assert all(seen["right"])
    assert {true for true, _ in seen["owls"]} == {"2"}
    assert [value for _, value in seen["owls"]] == sorted(value for _, value in seen["owls"])
    assert len(seen["owls"]) == sum(confusion[2]) == 15
    assert seen["said"] == f"15 pictures of class {CLASSES[2]}."
    for cell in seen["cells"]:
        true, named = map(int, cell["of"])
        assert cell["count"] == confusion[true][named] == len(cell["shown"])
        assert all(of == cell["of"] for of in cell["shown"])
        assert cell["focus"] == "pictures-title"
    assert len(seen["cells"]) == sum(count > 0 for row in confusion for count in row)
    recalls = sorted(one["recall"] for one in facts["scores"]["test"]["per_class"].values())
    assert seen["up"] == [recalls, "ascending"]
    assert seen["down"] == [recalls[::-1], "descending"]
    assert [value == "none" for value in seen["counts"]] == [False, True]
    assert [value == "none" for value in seen["rates"]] == [True, False]
    assert (seen["cold"], seen["warm"]) == ("0", "1")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_it_can_be_read(run: Path, tmp_path: Path, width: int, dark: bool) -> None:
    """Every text has the contrast that WCAG 2.2 asks for at level AA, and the page is no wider than the screen."""
    seen = open_page(run / "report.html", LOOK, tmp_path, width, dark)
    assert seen["checked"] > 200
    assert seen["pale"] == []
    assert seen["width"] <= seen["room"] == width
    assert (seen["ground"] == "rgb(255, 255, 255)") == (not dark)


def test_a_run_of_which_little_is_there(tmp_path: Path) -> None:
    find_browser()
    write_run(tmp_path / "run", splits=[], history=HISTORY[:1], findings=[], interrupted=True)
    assert open_page(write_report(tmp_path / "run"), CLICK_EVERYTHING, tmp_path)["broken"] == []


def test_long_names_fit_on_a_phone(tmp_path: Path) -> None:
    find_browser()
    names = [f"{number} {'a class with a very long name ' * 8}" for number in range(20)] + ["x" * 300, "名前" * 60]
    write_run(
        tmp_path / "run", made_up_dataset(tmp_path / "pictures" / ("y" * 90), names, 3, "{split}/{place}-{number}" + "z" * 200)
    )
    seen = open_page(write_report(tmp_path / "run"), LOOK, tmp_path, 360)
    assert seen["width"] <= seen["room"] == 360


def test_a_model_that_says_nan(tmp_path: Path) -> None:
    find_browser()
    pictures = with_pictures(made_up_dataset(tmp_path / "pictures", CLASSES, 5))
    write_run(tmp_path / "run", pictures)
    predictions = tmp_path / "run/predictions.csv"
    predictions.write_text(re.sub(r"\d\.\d{6}", "nan", predictions.read_text()))
    pictures.split("test")[0].path.unlink()  # so that one is listed by name
    assert open_page(write_report(tmp_path / "run"), CLICK_EVERYTHING, tmp_path)["broken"] == []
