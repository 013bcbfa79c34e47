"""`unfreeze report`: the report made again from a run's files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.browser import open_page
from support.command import Command
from support.made_up_run import write_run
from unfreeze import api

REPORT = ("report.html", "report.json", "report.md")


def test_it_is_what_the_training_wrote(unfreeze: Command, run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in REPORT}
    for name in REPORT:
        (run / name).unlink()
    status, out, err = unfreeze("report", run)
    assert (status, err) == (0, "")
    assert out == f"report: {run / 'report.html'}\n"
    assert {name: (run / name).read_bytes() for name in REPORT} == before


def test_into_another_folder(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    before = (run / "report.html").stat().st_mtime_ns
    assert unfreeze("report", run, "--to", tmp_path / "deep/report")[0] == 0
    assert {path.name for path in (tmp_path / "deep/report").iterdir()} == set(REPORT)
    assert (run / "report.html").stat().st_mtime_ns == before


def test_a_real_run_has_its_numbers_and_pictures(run: Path, tmp_path: Path) -> None:
    facts, metrics = (json.loads((run / name).read_text(encoding="utf-8")) for name in ("report.json", "metrics.json"))
    assert facts["scores"]["test"] == metrics["test"]
    assert len(facts["epochs"]) == len((run / "history.jsonl").read_text(encoding="utf-8").splitlines())
    count = "document.querySelectorAll('#gallery img').length"
    script = f"return {{ pictures: {count}, verdict: document.querySelector('h1').textContent }}"
    seen = open_page(run / "report.html", script, tmp_path)
    assert seen == {"pictures": metrics["test"]["pictures"], "verdict": facts["verdict"].replace(" %", "\xa0%")}


def test_what_is_no_run(unfreeze: Command, tmp_path: Path) -> None:
    status, _, err = unfreeze("report", tmp_path)
    assert status == 2
    assert "isn't a run: there is no plan.yaml in it" in err


def test_no_framework_is_loaded(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    code = f"import sys, unfreeze; unfreeze.write_report({str(tmp_path / 'run')!r}); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(printed.split()).isdisjoint({"torch", "torchvision", "timm", "tensorflow", "keras", "openvino"})
    assert (tmp_path / "run/report.html").is_file()


def test_in_python_it_gives_the_page(run: Path, tmp_path: Path) -> None:
    assert api.write_report(api.open_run(run), to=tmp_path) == tmp_path / "report.html"
