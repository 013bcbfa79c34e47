"""The page: self-contained, escaped, within its size, and with the numbers in it."""

from __future__ import annotations

import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.made_up import epochs, small_network, small_plan
from support.made_up_run import (
    ABSENT,
    CLASSES,
    HISTORY,
    OVERFITTING,
    UNCLEAR,
    made_up_dataset,
    with_pictures,
    write_maps,
    write_run,
)
from unfreeze.inspection.finding import DataFinding
from unfreeze.report.labels import printable
from unfreeze.report.page import write_report


class Page(HTMLParser):
    """The tags that are open at the end, all elements with their attributes, the text, and the text of what is in `main`."""

    VOID = ("meta", "img", "br", "input")
    UNSEEN = ("script", "style")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.open, self.elements, self.words = html, [], [], []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not set(self.UNSEEN) & set(self.open):
            self.words.append(data)

    def all(self, tag, **having):
        return [found for name, found in self.elements if name == tag and having.items() <= found.items()]


def page_of(folder: Path, files=None, **changes) -> Page:
    write_run(folder, **changes)
    return Page(write_report(folder, files).read_text(encoding="utf-8", errors="surrogateescape"))


def percent(part):
    return f"{100 * part:.1f} %"


@pytest.fixture
def pictures(tmp_path):
    return with_pictures(made_up_dataset(tmp_path / "pictures", CLASSES, 8))


def test_it_needs_nothing_from_the_network(tmp_path, pictures):
    page = page_of(tmp_path / "run", dataset=pictures)
    loads = ("src", "srcset", "action", "data")
    sources = [value for _, found in page.elements for name, value in found.items() if name in loads]
    assert len(sources) > 24
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(found["href"].startswith("#") for found in page.all("a"))
    assert not re.search(r"https?://|url\(|@import|<link|fetch\(|XMLHttp", page.html)


def test_it_is_well_formed(tmp_path, pictures):
    page = page_of(tmp_path / "run", dataset=pictures)
    assert page.open == []
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert {found["href"][1:] for found in page.all("a")} <= set(ids)


def test_every_picture_has_words_in_its_place(tmp_path, pictures):
    assert all(found["alt"] for found in page_of(tmp_path / "run", dataset=pictures).all("img"))


def test_heads_of_tables_say_what_they_are_the_head_of(tmp_path):
    heads = page_of(tmp_path / "run").all("th")
    assert heads
    assert {found.get("scope") for found in heads} == {"col", "row"}


def test_the_verdict_comes_first_and_in_one_sentence(tmp_path):
    of = write_run(tmp_path / "run")["test"]
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text.replace("\xa0", " ")
    accuracy, low, high = 100 * of["accuracy"], *(100 * end for end in of["interval"])
    sentence = (
        f"{accuracy:.1f} % of 45 test pictures named right (95 % interval {low:.1f} to {high:.1f} %),"
        " but it knows its training pictures much better than new ones."
    )
    assert sentence in text[:600]


def test_the_numbers_stand_in_it(tmp_path):
    test = write_run(tmp_path / "run")["test"]
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert f"Accuracy, test {percent(test['accuracy'])}" in text
    assert f"95 % interval {percent(test['interval'][0])} to {percent(test['interval'][1])} (Wilson), 45 pictures" in text
    assert f"Balanced accuracy {percent(test['balanced_accuracy'])} the mean recall of the classes" in text
    assert f"Macro-F1 {percent(test['macro_f1'])}" in text
    assert "Guessing 33.3 % would be right if everything were “cat”" in text
    for name, one in test["per_class"].items():
        row = [name, str(one["pictures"]), *(percent(one[key]) for key in ("precision", "recall", "f1"))]
        assert " ".join(row) in text
    for row in test["confusion"]:
        assert all(f"{count} of 15 pictures of" in " ".join(labels(tmp_path)) for count in row if count)
    assert "0.712" in text  # a validation loss
    assert "71.2 % 74.0 % 73.0 %" in text  # a validation accuracy, the balanced one, macro-F1
    assert "3 (best) last stage" in text
    assert "loss cross-entropy, label smoothing 0; best epoch by val_loss" in text
    assert "fingerprint f1a9" in text
    assert "preparing 1.25 s, training 60.5 s, scoring 2.0 s" in text
    assert "all epochs done" in text
    assert "no better for 5 epochs" in text
    assert "2 files left out a/broken.jpg : the file is empty (0 bytes)" in text.replace("jpg:", "jpg :")
    assert "32 × 32 px RGB, bicubic, crop 0.875 (center), mean 0.485, 0.456, 0.406" in text
    assert "asked for seed: 7 , else the defaults" in text


def labels(tmp_path):
    page = Page((tmp_path / "run/report.html").read_text(encoding="utf-8"))
    return [found["aria-label"] for found in page.all("a") if "aria-label" in found]


def test_findings_with_numbers_place_and_remedy(tmp_path):
    page = page_of(tmp_path / "run")
    assert "1 overfitting warning training accuracy 99%, validation accuracy <70%>" in page.text
    assert "measured value threshold gap 0.2812 0.1" in page.text
    assert "On the curve: epoch 4" in page.text
    assert "--set head.dropout=0.5 --set augment.rotation_degrees=15.0" in page.text
    assert f"unfreeze improve {tmp_path / 'run'}" in page.text
    assert f"Could not tell: 1 underfitting : {UNCLEAR.explanation}" in page.text
    assert f"Looked for and not found: 1 trained too long : {ABSENT.explanation}" in page.text
    marks = page.all("a", href="#finding-overfitting")
    assert [mark["class"] for mark in marks] == ["mark warning"] * 2  # on both curves


def test_a_run_without_findings_says_so(tmp_path):
    page = page_of(tmp_path / "run", findings=[ABSENT])
    assert "and nothing was found that calls for a change." in page.text
    assert "Nothing that calls for a change." in page.text
    assert not page.all("a", href="#finding-trained-too-long")


def test_only_the_best_epoch_is_marked(tmp_path):
    page = page_of(tmp_path / "run")
    assert page.text.count("(best)") == 1
    assert len([found for found in page.all("line") if found.get("class") == "best"]) == 3  # two curves and their legend


def test_class_names_are_escaped(tmp_path):
    page = page_of(tmp_path / "run")
    assert "<b>dog" not in page.html
    assert "&lt;b&gt;dog&lt;/b&gt; &amp; co" in page.html


def test_other_words_are_escaped_too(tmp_path):
    plan = small_plan(classes=CLASSES, network=small_network().model_copy(update={"name": "<i>net"}))
    data = plan.data.model_copy(update={"decisions": ("<i>decision",), "left_out": {"<i>.txt": "not <b>a</b> picture"}})
    plan = plan.model_copy(update={"remarks": ("<i>remark</i>",), "environment": {"<i>python": "3"}, "data": data})
    dataset = made_up_dataset(tmp_path / "<i>root", CLASSES, 5, "{split}/<i>{place}-{number}.png")
    found = DataFinding("leakage", "error", "<i>found", (("<i>one.png",),), {"<i>one.png": "<i>detail"})
    page = page_of(
        tmp_path / "run <i>", dataset=dataset, plan=plan, data_findings=[found], phase_endings=["<i>ending"],
        history=HISTORY[:2],
    )  # fmt: skip
    assert "<i>" not in page.html.replace('"<i>', '"')  # but in attributes, where it is a text
    for words in ("run <i>", "<i>remark</i>", "<i>python 3", "<i>net", "<i>root", "<i>decision", "<i>ending", "<i>found"):
        assert words in page.text
    assert "1 file left out <i>.txt: not <b>a</b> picture" in page.text


@pytest.mark.parametrize(
    "name",
    ["items", "keys", "train", "K\udce4fer", "new\nline", "</script><script>x", "👩‍🔬 猫", "n" * 5000, "{{ 1 }}", " "],
)
def test_odd_class_names(tmp_path, name):
    dataset = made_up_dataset(tmp_path / "pictures", (name, "values"), 5)
    page = page_of(tmp_path / "run", dataset=dataset)
    assert page.open == []
    assert printable(name) in "".join(page.words)
    assert len([found for found in page.all("a") if found.get("data-which") == "wrong"]) == 2
    facts = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    assert facts["data"]["classes"] == [name, "values"]
    assert (tmp_path / "run/report.md").read_text(encoding="utf-8")


def test_validation_only_says_that_it_flatters(tmp_path):
    of = write_run(tmp_path / "run", splits=["validation"])
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert f"{percent(of['validation']['accuracy'])} of 45 validation pictures named right" in text
    assert "There were no test pictures; validation chose the epoch, so this is a little flattering." in text
    assert "Class by class (validation)" in text


def test_test_scores_are_shown_without_that_remark(tmp_path):
    assert "flattering" not in page_of(tmp_path / "run").text


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (HISTORY[:2], "The model holds the weights of epoch 2, the best so far."),
        ([], "The model holds what it had at that moment."),
    ],
)
def test_an_interrupted_run_without_scores(tmp_path, history, words):
    page = page_of(
        tmp_path / "run", history=history, splits=[], findings=[], phase_endings=["interrupted"], interrupted=True, seconds={}
    )
    assert f"Interrupted after {len(history)} epochs, before it was scored" in page.text
    assert words in page.text
    assert "not reached" in page.text  # the second phase
    assert "Class by class" not in page.text
    assert ("Epochs as a table" in page.text) == bool(history)


def test_a_run_that_was_killed(tmp_path):
    write_run(tmp_path / "run", splits=[])
    for name in ("metrics.json", "predictions.csv", "findings.json"):
        (tmp_path / "run" / name).unlink()
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert "Not finished after 4 epochs, before it was scored; the best so far, epoch 3, named 71.2 %" in text
    assert "Not all of the run is here: there is no metrics.json" in text


@pytest.mark.parametrize(
    "name", ["metrics.json", "predictions.csv", "findings.json", "data.json", "history.jsonl", "recipe.yaml"]
)
def test_a_damaged_file_is_said_and_the_rest_shown(tmp_path, name):
    write_run(tmp_path / "run")
    (tmp_path / "run" / name).write_text('{"half": [')
    page = Page(write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert re.search(rf"Not all of the run is here: .*{re.escape(name)}", page.text)
    assert "The plan" in page.text


@pytest.mark.parametrize("values", [[math.nan] * 4, [1.0, math.inf, 0.5, math.nan], [1e-300, 1e300, 0.0, -1.0]])
def test_losses_that_are_no_numbers(tmp_path, values):
    page = page_of(tmp_path / "run", history=epochs(val_loss=values, train_loss=values, best=[True, False, False, False]))
    assert page.open == []
    assert "nan" not in page.html.replace("nance", "").casefold().split("<svg", 1)[1].split("</figure>", 1)[0]
    json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_many_classes_make_pairs_instead_of_a_table(tmp_path):
    dataset = made_up_dataset(tmp_path / "pictures", [f"class {number}" for number in range(31)], 3)
    page = page_of(tmp_path / "run", dataset=dataset)
    assert not page.all("input", name="cells")
    assert len(page.all("img", **{"class": "drawn"})) == 1
    pairs = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))["most_confused"]
    assert pairs
    for pair in pairs:
        assert f"{pair['true']} {pair['predicted']} {pair['pictures']} {percent(pair['part'])}" in page.text


def test_many_epochs_are_cut_and_said(tmp_path):
    page = page_of(tmp_path / "run", history=epochs(val_loss=[1.0] * 1000))
    assert "The last 300 of 1000; history.csv has all." in page.text
    assert len(page.html) < 400_000


def test_pictures_are_found_where_they_were(tmp_path, pictures):
    page = page_of(tmp_path / "run", dataset=pictures)
    items = [found for found in page.all("li") if "data-sure" in found]
    assert len(items) == 24  # all test pictures
    assert "can't be shown" not in page.text


def test_pictures_that_are_gone_or_changed_are_said(tmp_path, pictures):
    write_run(tmp_path / "run", pictures)
    gone, changed = (record.path for record in pictures.split("test")[:2])
    gone.unlink()
    shutil.copyfile(pictures.split("train")[0].path, changed)
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert f"1 picture can't be shown: not found or not readable below {pictures.root}." in text
    assert "1 picture isn't shown, having changed since the training." in text


def test_a_run_folder_of_a_stranger_shows_no_other_files(tmp_path, pictures):
    """A name may lead anywhere, but only the bytes that were trained on are shown."""
    write_run(tmp_path / "run", pictures)
    secret = tmp_path / "secret.png"
    shutil.copyfile(pictures.split("train")[0].path, secret)
    data = json.loads((tmp_path / "run/data.json").read_text())
    predictions = (tmp_path / "run/predictions.csv").read_text().replace(pictures.split("test")[0].name, "../secret.png")
    data["pictures"].append({"name": "../secret.png", "label": "cat", "split": "test", "content": "made up"})
    (tmp_path / "run/data.json").write_text(json.dumps(data))
    (tmp_path / "run/predictions.csv").write_text(predictions)
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert "1 picture isn't shown, having changed since the training." in text


def test_given_files_win_over_where_pictures_were(tmp_path, pictures):
    moved = shutil.copytree(pictures.root, tmp_path / "moved")
    shutil.rmtree(pictures.root)
    page = page_of(tmp_path / "run", {record.name: moved / record.name for record in pictures.records}, dataset=pictures)
    assert len([found for found in page.all("li") if "data-sure" in found]) == 24


def test_maps_are_laid_over_and_can_be_switched(tmp_path, pictures):
    write_run(tmp_path / "run", pictures)
    names = [record.name for record in pictures.split("test")]
    write_maps(tmp_path / "run", names[:-1])
    page = Page(write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert len(page.all("input", name="look")) == 2
    facts = json.loads((tmp_path / "run/report.json").read_text(encoding="utf-8"))
    shown = {one["name"] for kind in facts["examples"].values() for one in kind}
    assert len(page.all("img", **{"class": "warm"})) == len(shown - {names[-1]})
    assert "at the last stage, stage3" in page.text


def test_without_maps_there_is_no_switch(tmp_path, pictures):
    assert not page_of(tmp_path / "run", dataset=pictures).all("input", name="look")


def test_a_calibrated_run_says_its_temperature(tmp_path):
    (tmp_path / "run/model").mkdir(parents=True)
    values = {"temperature": 1.25, "pictures": 45, "loss_before": 0.5, "loss_after": 0.4, "reason": "fitted on 45 pictures"}
    (tmp_path / "run/model/calibration.json").write_text(json.dumps(values))
    text = page_of(tmp_path / "run").text
    assert "Temperature 1.250: fitted on 45 pictures." in text
    assert "0.500 before, 0.400 after" in text


def test_data_findings_are_shown_with_their_pictures(tmp_path, pictures):
    names = tuple(record.name for record in pictures.split("train")[:2])
    found = DataFinding("near-duplicate", "warning", "two are alike", (names,), {names[0]: "the larger"}, advice="look at both")
    page = page_of(tmp_path / "run", dataset=pictures, data_findings=[found])
    assert "near duplicate (warning). two are alike look at both" in page.text
    assert "the larger" in page.text


def test_oversampling_and_logit_offsets_stand_by_class(tmp_path):
    repeats, offsets = dict(zip(CLASSES, (1.0, 2.5, 7.125), strict=True)), dict(zip(CLASSES, (-0.5, -1.25, -4.0), strict=True))
    plan = small_plan(classes=CLASSES).model_copy(
        update={"oversample": True, "repeats": repeats, "logit_offsets": offsets, "focal_gamma": 2.0}
    )
    text = page_of(tmp_path / "run", plan=plan).text
    assert "class train validation test added to the logit times an epoch cat 70 15 15 -0.500 1.000" in text


def test_no_file_left_out(tmp_path):
    plan = small_plan(classes=CLASSES)
    plan = plan.model_copy(update={"data": plan.data.model_copy(update={"left_out": {}})})
    assert "No file was left out." in page_of(tmp_path / "run", plan=plan).text


def test_written_twice_it_is_the_same(tmp_path, pictures):
    page, before = page_of(tmp_path / "run", dataset=pictures).html, {path.name for path in (tmp_path / "run").iterdir()}
    assert write_report(tmp_path / "run").read_text(encoding="utf-8") == page
    assert {path.name for path in (tmp_path / "run").iterdir()} == before
    assert before >= {"report.html", "report.json", "report.md"}


def test_a_run_that_will_be_moved_is_called_what_it_will_be(tmp_path):
    write_run(tmp_path / "here")
    text = Page(write_report(tmp_path / "here", known_as=tmp_path / "there").read_text(encoding="utf-8")).text
    assert f"unfreeze predict {tmp_path / 'there'} PICTURES" in text
    assert str(tmp_path / "here") not in text


def test_ten_thousand_pictures_stay_below_five_megabytes(tmp_path):
    """With names so long that not all find room; what pictures take is measured in test_gallery.py."""
    classes = [f"class {number}" for number in range(10)]
    dataset = made_up_dataset(tmp_path / "pictures", classes, 1000, "{split}/{place}/" + "x" * 180 + "{number}.png")
    write_run(tmp_path / "run", dataset, splits=["test"])
    page = write_report(tmp_path / "run")
    assert page.stat().st_size < 5_000_000
    text = page.read_text(encoding="utf-8")
    assert "for want of room; predictions.csv has all." in text


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("findings.json", (0, "remedy"), [1]),
        ("findings.json", (0, "code"), 3),
        ("findings.json", (0, "epoch"), "four"),
        ("metrics.json", ("best_epoch",), "three"),
        ("metrics.json", ("seconds",), None),
        ("metrics.json", ("phase_endings",), None),
        ("metrics.json", ("test", "accuracy"), math.nan),
        ("metrics.json", ("test", "confusion"), [[1]]),
        ("metrics.json", ("test", "per_class"), {}),
        ("data.json", ("root",), 5),
    ],
)
def test_a_file_with_a_value_of_another_type_is_named_and_done_without(tmp_path, file, place, value):
    write_run(tmp_path / "run", findings=[OVERFITTING])
    path = tmp_path / "run" / file
    values = inner = json.loads(path.read_text(encoding="utf-8"))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(values), encoding="utf-8")
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert f"Not all of the run is here: {path}: isn't as written" in text


def test_a_history_with_a_value_of_another_type_is_named_and_done_without(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run/history.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"val_loss": 0.9', '"val_loss": "low"'), encoding="utf-8")
    text = Page(write_report(tmp_path / "run").read_text(encoding="utf-8")).text
    assert "history.jsonl: can't be read as a run's history (val_loss: Input should be a valid number" in text


def test_a_value_that_a_later_version_added_is_left_out(tmp_path):
    write_run(tmp_path / "run", findings=[OVERFITTING])
    path = tmp_path / "run/findings.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"code"', '"since": "9.0", "code"'), encoding="utf-8")
    page = Page(write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert "Not all of the run is here" not in page.text
    assert OVERFITTING.explanation in page.text
