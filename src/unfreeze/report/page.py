"""The report of a run, in three forms of the same facts: report.json, report.md and report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unfreeze.files import make_folder, write_bytes, write_text
from unfreeze.report.charts import curve_panels, reliability_bars
from unfreeze.report.confusion import draw_confusion_png
from unfreeze.report.gallery import Gallery, make_gallery
from unfreeze.report.inspection import summarise_finding
from unfreeze.report.labels import printable
from unfreeze.report.markdown import as_markdown
from unfreeze.report.rendering import as_data_url, embedded, render
from unfreeze.report.run_files import RunFiles, read_run_files
from unfreeze.report.summary import summarise
from unfreeze.report.thumbnails import Thumbnails

PAGE, FACTS, TEXT = "report.html", "report.json", "report.md"
# A page that opens at once on a phone, and can be sent by mail, has 5 MB; the rest is for tables and names.
_EXAMPLES_BYTES, _FOUND_BYTES, _GALLERY_BYTES = 900_000, 500_000, 1_900_000
# What the tables take for each class, which is taken from the gallery.
_CLASS_BYTES, _LEAST_GALLERY_BYTES = 900, 300_000
# More classes than this make no table that can be read: then the most confused pairs are listed, and the matrix drawn.
MOST_CLASSES_IN_TABLE = 30
_MOST_EPOCHS, _MOST_LEFT_OUT = 300, 200


def write_report(
    folder: Path, files: Mapping[str, Path] | None = None, to: Path | None = None, known_as: Path | None = None
) -> Path:
    """Writes `report.json`, `report.md` and `report.html` of a run, from its files alone. Needs no framework, no network.

    Args:
        folder: of the run, whatever state it is in.
        files: where each picture is, by its name; None looks where the run's data.json says. A picture that isn't there any
            more, or is another one by now, is left out of the page, which says so.
        to: the folder to write to; None for the run's own.
        known_as: where the run will be, if it is still to be moved there.

    Returns:
        The page.

    Raises:
        RunError: there is no plan in the folder, or a damaged one.
        StorageError: a file can't be written.
    """
    run = read_run_files(folder)
    facts = summarise(run, known_as)
    to = to or folder
    make_folder(to)
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A class whose name isn't UTF-8 is escaped, so that the file is.
    write_bytes(to / FACTS, text.encode("utf-8", "backslashreplace"))
    write_text(to / TEXT, as_markdown(facts))
    write_text(to / PAGE, render("report.html", facts | _pictures(run, facts, files)))
    return to / PAGE


def _pictures(run: RunFiles, facts: dict[str, Any], files: Mapping[str, Path] | None) -> dict[str, Any]:
    """What only the page has."""
    thumbnails = Thumbnails(where_they_were(run) if files is None else files, run.data.get("pictures"))
    thumbnails.budget = _EXAMPLES_BYTES
    examples = _examples(run, facts, thumbnails)
    thumbnails.budget = _FOUND_BYTES
    data_findings = [summarise_finding(finding, thumbnails) for finding in run.data_findings]
    classes = run.plan.data.classes
    thumbnails.budget = max(_LEAST_GALLERY_BYTES, _GALLERY_BYTES - _CLASS_BYTES * len(classes))
    predicted = run.predicted.get(run.shown or "")
    gallery = make_gallery(predicted, thumbnails) if predicted is not None else Gallery([], [], 0)
    many = len(classes) > MOST_CLASSES_IN_TABLE
    return {
        "classes": classes,
        "many": many,
        "drawn": _drawn(run) if many and run.shown else None,
        "panels": curve_panels(facts),
        "bars": reliability_bars(facts["calibration"]) if facts["calibration"] else [],
        "pictures": examples,
        "data_findings": data_findings,
        "gallery": gallery,
        "for_script": _for_script({"classes": [printable(name) for name in classes], "rest": gallery.rest}),
        "lost": len(thumbnails.lost),
        "changed": len(thumbnails.changed),
        "shown_epochs": facts["epochs"][-_MOST_EPOCHS:],
        "most_left_out": _MOST_LEFT_OUT,
    }


def _drawn(run: RunFiles) -> str:
    """The confusion matrix as a picture."""
    drawn = embedded(run.folder / "confusion.png")
    confusion = run.scores[run.shown or ""].confusion
    return drawn or as_data_url(draw_confusion_png(confusion, run.plan.data.classes), "image/png")


def _examples(run: RunFiles, facts: dict[str, Any], thumbnails: Thumbnails) -> dict[str, list[dict[str, Any]]]:
    """The examples with a picture as the network got it, and with what it looked at where that is known."""
    maps, contract = run.gradcam["maps"] if run.gradcam else {}, run.plan.network.contract
    shown: dict[str, list[dict[str, Any]]] = {}
    for kind, examples in facts["examples"].items():
        shown[kind] = []
        for example in examples:
            known = maps.get(example["name"])
            seen = thumbnails.as_seen(example["name"], contract, known["map"] if known else None)
            seen_with = {"seen": seen and seen[0], "warm": seen and seen[1], "explained": known["class"] if known else None}
            shown[kind].append(example | seen_with)
    return shown


def where_they_were(run: RunFiles) -> dict[str, Path]:
    """Where each picture of a run was when it was trained on, by its name."""
    root = Path(run.data.get("root", run.plan.data.root))
    base = root if root.is_dir() else root.parent  # of a CSV file
    return {name: base / name for name in run.data.get("pictures", ())}


def _for_script(values: Any) -> str:
    """JSON that can stand in a script element, whatever the names in it are."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
