"""`unfreeze inspect` as a person runs it: the table, the page, JSON, and the status a script can use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.command import NUMPY, Command
from support.folders import class_folder, split_folder, write_picture
from unfreeze import api
from unfreeze.data import index

LEFT, RIGHT = (200, 40, 40), (40, 60, 210)


@pytest.fixture
def unequal(tmp_path: Path) -> Path:
    return class_folder(tmp_path / "unequal", {"common": 44, "rare": 4}, size=(300, 260))


def test_what_was_found_is_said_with_what_to_do(unfreeze: Command, unequal: Path) -> None:
    status, out, err = unfreeze("inspect", unequal)
    assert (status, err) == (0, "")
    assert "imbalance (warning): 'common' has 11.0 times the training pictures of 'rare'" in out
    assert "when training: --set imbalance.class_weights=balanced" in out


def test_the_same_as_json(unfreeze: Command, unequal: Path) -> None:
    status, out, _ = unfreeze("inspect", unequal, "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["schema"], answer["pictures"]) == (1, 48)
    (imbalance,) = (finding for finding in answer["findings"] if finding["code"] == "imbalance")
    assert (imbalance["severity"], imbalance["measured"]["ratio"]) == ("warning", 11.0)


@pytest.mark.parametrize(("watched", "status"), [("imbalance", 3), ("warning", 3), ("error", 0), ("leakage, imbalance", 3)])
def test_a_script_can_fail_on_what_is_found(unfreeze: Command, unequal: Path, watched: str, status: int) -> None:
    assert unfreeze("inspect", unequal, "--fail-on", watched)[0] == status


def test_a_misspelt_code_is_refused_before_anything_is_read(unfreeze: Command) -> None:
    status, _, err = unfreeze("inspect", "nowhere", "--fail-on", "leekage")
    assert status == 2
    assert err.startswith("unfreeze: --fail-on: there is no 'leekage'. Did you mean 'leakage'?")


def test_the_page_stands_alone_and_escapes_names(unfreeze: Command, tmp_path: Path) -> None:
    photos = split_folder(tmp_path / "photos", {"train": {"cat": 12, "<b>dog": 12}, "val": {"cat": 6, "<b>dog": 0}})
    page = tmp_path / "page.html"
    status, out, _ = unfreeze("inspect", photos, "--to", page)
    assert status == 0
    assert f"written: {page}" in out
    text = page.read_text(encoding="utf-8")
    assert "<b>dog" not in text
    assert "&lt;b&gt;dog" in text
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", text)
    assert 'id="class-missing-from-split"' in text
    assert "data:image/png;base64," in text


@pytest.fixture
def disputed(tmp_path: Path) -> Path:
    """Two classes by colour, one picture under the wrong label, and one of them twice."""
    photos = tmp_path / "photos"
    for label, colour, seeds in (("left", LEFT, range(20)), ("right", RIGHT, range(20, 40))):
        for seed in seeds:
            write_picture(photos / label / f"{seed}.png", colour, (40, 40), seed)
    write_picture(photos / "left" / "wrong.png", RIGHT, (40, 40), 99)
    (photos / "left" / "again.png").write_bytes((photos / "left" / "3.png").read_bytes())
    return photos


def test_a_network_is_asked_about_labels(unfreeze: Command, disputed: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, out, err = unfreeze("inspect", disputed, *NUMPY, "--to", page, "--fail-on", "disputed-labels")
    assert (status, err) == (3, "")
    assert "disputed-labels (warning): 1 of 42 pictures look like another class" in out
    assert re.search(r"left/wrong\.png: labelled 'left', looks like 'right' \(by 0\.\d\d\)", out)
    assert "data:image/jpeg;base64," in page.read_text(encoding="utf-8")


def test_a_training_begins_with_what_was_found(unfreeze: Command, disputed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, printed, _ = unfreeze("train", disputed, *NUMPY, "--out", out, "--epochs", "1")
    assert status == 0
    assert "duplicates: 2 pictures (1 different) are there more than once in their class" in printed
    found = {finding["code"]: finding for finding in json.loads((out / "data.json").read_text())["findings"]}
    assert found["duplicates"]["groups"] == [["left/3.png", "left/again.png"]]
    assert "disputed-labels" not in found
    text = (out / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/jpeg;base64,") >= 2
    assert "left/again.png" in text
    (duplicates,) = (finding for finding in api.open_run(out).data_findings if finding.code == "duplicates")
    assert duplicates.pictures == ("left/3.png", "left/again.png")


def test_a_training_says_how_pictures_look_where_they_were_inspected(
    unfreeze: Command, disputed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "_TICK_NS", 0)  # files as new as these aren't remembered else
    write_picture(disputed / "left" / "night.png", (4, 2, 2), (40, 40), 7)
    for out, expected in ((tmp_path / "before", set()), (tmp_path / "after", {"left/night.png"})):
        assert unfreeze("train", disputed, *NUMPY, "--out", out, "--epochs", "1", "--quiet")[0] == 0
        dark = [finding.pictures for finding in api.open_run(out).data_findings if finding.code == "dark"]
        assert {name for names in dark for name in names} == expected
        unfreeze("inspect", disputed)


@pytest.mark.parametrize(("asked", "found"), [("full", {"duplicates", "disputed-labels"}), ("none", set())])
def test_how_much_a_training_looks_for_can_be_set(
    unfreeze: Command, disputed: Path, tmp_path: Path, asked: str, found: set[str]
) -> None:
    out = tmp_path / "run"
    arguments = (*NUMPY, "--out", out, "--epochs", "1", "--quiet", "--set", f"data.inspect={asked}")
    assert unfreeze("train", disputed, *arguments)[0] == 0
    codes = {finding.code for finding in api.open_run(out).data_findings}
    assert (codes & {"duplicates", "disputed-labels"}, bool(codes)) == (found, bool(found))


def test_empty_splits_and_classes_are_errors(unfreeze: Command, tmp_path: Path) -> None:
    photos = split_folder(
        tmp_path / "photos", {"train": {"cat": 12, "dog": 12, "owl": 0}, "val": {"cat": 0, "dog": 0}}, (300, 260)
    )
    (photos / "train" / "owl" / "a.jpg").write_bytes(b"")
    (photos / "test").mkdir()
    status, out, _ = unfreeze("inspect", photos, "--json", "--fail-on", "empty-class,empty-split")
    found = {finding["code"]: set(finding["details"]) for finding in json.loads(out)["findings"]}
    assert status == 3
    assert found["empty-split"] == {"validation", "test"}
    assert found["empty-class"] == {"owl"}
    assert "empty-split (error): no readable picture in validation and test" in unfreeze("inspect", photos)[1]


def test_one_class_is_an_error(unfreeze: Command, tmp_path: Path) -> None:
    photos = class_folder(tmp_path / "photos", {"cat": 12}, (300, 260))
    assert "one-class (error): one class only ('cat')" in unfreeze("inspect", photos)[1]


def test_a_page_is_not_written_after_all_the_work_into_a_folder_that_is_not_there(unfreeze: Command, unequal: Path) -> None:
    status, _, err = unfreeze("inspect", unequal, "--to", unequal / "nowhere" / "page.html")
    assert status == 2
    assert "nowhere" in err
    assert not (unequal / "nowhere").exists()


def test_very_many_files_left_out_do_not_make_a_huge_page(unfreeze: Command, unequal: Path, tmp_path: Path) -> None:
    for number in range(1200):
        (unequal / f"stray {number:04d}.txt").touch()
    page = tmp_path / "page.html"
    assert unfreeze("inspect", unequal, "--to", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "stray 0199.txt" in text
    assert "stray 0200.txt" not in text
    assert "and 1000 more" in text


def test_what_could_not_be_asked_about_labels_is_said(unfreeze: Command, tmp_path: Path) -> None:
    photos = class_folder(tmp_path / "photos", {"cat": 12, "dog": 1}, (40, 40))
    out = unfreeze("inspect", photos, *NUMPY)[1]
    assert "labels-unknown (note): labels weren't looked at: fewer than two classes have two pictures that differ" in out
