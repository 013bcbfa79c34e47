"""The page: self-contained, escaped, and with the numbers in it."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from support.made_up import epochs, small_network, small_plan
from unfreeze.diagnosis.diagnose import diagnose
from unfreeze.recipe.read import validate_recipe
from unfreeze.report.page import write_page
from unfreeze.training.scores import score

CLASSES = ("cat", "<b>dog</b> & co", 'owl "x"')
HISTORY = epochs(
    phase=[1, 1, 2, 2],
    phase_name=["head only", "head only", "last stage", "last stage"],
    val_loss=[0.9, 0.71234, 0.5, 0.6],
    train_accuracy=[0.5, 0.6, 0.98, 0.99],
    val_accuracy=[0.5, 0.6, 0.7123, 0.7],
    best=[True, True, True, False],
    boundary=["head", "head", "stage3", "stage3"],
)
PLAN = small_plan(
    validate_recipe({"unfreeze": {"stages": 1}, "unfrozen": {"rate": 0.00025}}),
    classes=CLASSES,
    class_weights={"cat": 0.512, CLASSES[1]: 1.234, CLASSES[2]: 1.0},
)


def scores(seed=0):
    random = np.random.default_rng(seed)
    return score(np.log(random.dirichlet(np.ones(3), 45)).astype(np.float32), random.integers(0, 3, 45), CLASSES).as_dict()


def metrics(**changes):
    return {
        "validation": scores(1),
        "test": scores(2),
        "best_epoch": 3,
        "phase_endings": ["all epochs done", "no better for 5 epochs"],
        "interrupted": False,
        "seconds": {"preparing": 1.25, "training": 60.5, "scoring": 2.0},
        **changes,
    }


def page(folder, plan=PLAN, history=HISTORY, of=None, findings=None):
    write_page(folder, plan, history, of or metrics(), diagnose(history) if findings is None else findings)
    return (folder / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """The tags that are open at the end, all attributes, and the text."""

    VOID = ("meta", "img", "br")

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.words = [], [], []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def percent(part):
    return f"{100 * part:.1f} %"


def test_it_needs_nothing_from_the_network(tmp_path):
    (tmp_path / "curves.png").write_bytes(b"\x89PNG curves")
    (tmp_path / "confusion.png").write_bytes(b"\x89PNG confusion")
    tags = Tags(page(tmp_path))
    sources = [value for _, name, value in tags.attributes if name in ("src", "href", "srcset", "action", "data")]
    assert [base64.b64decode(value.removeprefix("data:image/png;base64,")) for value in sources] == [
        b"\x89PNG curves",
        b"\x89PNG confusion",
    ]
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<script|<link", html)


def test_every_picture_has_words_in_its_place(tmp_path):
    (tmp_path / "curves.png").write_bytes(b"\x89PNG")
    (tmp_path / "confusion.png").write_bytes(b"\x89PNG")
    tags = Tags(page(tmp_path))
    assert len([value for tag, name, value in tags.attributes if (tag, name) == ("img", "alt") and value]) == 2


def test_without_pictures_there_are_no_empty_frames(tmp_path):
    assert "<img" not in page(tmp_path)


def test_it_is_well_formed(tmp_path):
    assert Tags(page(tmp_path)).open == []


def test_class_names_are_escaped(tmp_path):
    html = page(tmp_path)
    assert "<b>dog" not in html
    assert "&lt;b&gt;dog&lt;/b&gt; &amp; co" in html
    assert Tags(html).text.count("<b>dog</b> & co") == 2  # class by class, and the data


def test_other_words_are_escaped_too(tmp_path):
    plan = PLAN.model_copy(
        update={
            "remarks": ("<i>remark</i>",),
            "environment": {"<i>python": "3"},
            "network": small_network().model_copy(update={"name": "<i>net"}),
            "data": PLAN.data.model_copy(update={"root": "<i>root", "decisions": ("<i>decision",)}),
        }
    )
    folder = tmp_path / "run <i>"
    folder.mkdir()
    html = page(folder, plan, of=metrics(phase_endings=["<i>ending"]))
    assert "<i>" not in html
    for words in ("run <i>", "<i>remark</i>", "<i>python 3", "<i>net", "<i>root", "<i>decision", "<i>ending"):
        assert words in Tags(html).text


def test_the_numbers_stand_in_it(tmp_path):
    of = metrics()
    text = Tags(page(tmp_path, of=of)).text
    test = of["test"]
    assert f"{percent(test['accuracy'])} of the test pictures named right" in text
    assert f"95 % interval {percent(test['interval'][0])} to {percent(test['interval'][1])} (Wilson)" in text
    means = f"(the mean recall of the classes) {percent(test['balanced_accuracy'])}, macro-F1 {percent(test['macro_f1'])}"
    assert f"45 pictures; balanced accuracy {means}, weights of epoch 3" in text
    for name, one in test["per_class"].items():
        row = [name, str(one["pictures"]), *(percent(one[key]) for key in ("precision", "recall", "f1"))]
        assert " ".join(row) in text
    assert "0.712" in text  # a validation loss
    assert "71.2 % 74.0 % 73.0 %" in text  # a validation accuracy, the balanced one, macro-F1
    assert "3 (best) last stage" in text
    assert "0.512" in text  # a class weight
    assert "loss cross-entropy, label smoothing 0; best epoch by val_loss" in text
    assert "unequal classes class weights in the loss, 0.512 (cat, 70 pictures)" in text
    assert "983" in text  # trainable parameters
    assert "0.00025" in text
    assert "fingerprint f1a9" in text
    assert "preparing 1.25 s, training 60.5 s, scoring 2.0 s" in text
    assert "all epochs done" in text
    assert "no better for 5 epochs" in text
    assert "2 files left out" in text
    for name, reason in PLAN.data.left_out.items():
        assert f"{name}: {reason}" in text
    assert "32 × 32 px RGB, bicubic, crop 0.875 (center), mean 0.485, 0.456, 0.406" in text


def test_only_the_best_epoch_is_marked(tmp_path):
    assert page(tmp_path).count("(best)") == 1


def test_findings_with_what_to_try(tmp_path):
    findings = diagnose(HISTORY)
    tags = Tags(page(tmp_path, findings=findings))
    for finding in findings:
        assert finding.explanation in tags.text
        for name, value in finding.remedy.items():
            assert f"--set {name}={value}" in tags.text
    assert any(finding.remedy for finding in findings)


def test_validation_only_says_that_it_flatters(tmp_path):
    of = metrics(test=None)
    text = Tags(page(tmp_path, of=of)).text
    assert f"{percent(of['validation']['accuracy'])} of the validation pictures named right" in text
    assert "There were no test pictures; validation chose the epoch, so this is a little flattering." in text
    assert "Class by class (validation)" in text


def test_test_scores_are_shown_without_that_remark(tmp_path):
    assert "flattering" not in page(tmp_path)


@pytest.mark.parametrize(
    ("history", "best_epoch", "words"),
    [
        (HISTORY[:2], 2, "The model holds the weights of epoch 2, the best so far."),
        ([], None, "The model holds what it had at that moment."),
    ],
)
def test_an_interrupted_run_without_scores(tmp_path, history, best_epoch, words):
    of = metrics(test=None, validation=None, best_epoch=best_epoch, phase_endings=["interrupted"], interrupted=True, seconds={})
    text = Tags(page(tmp_path, history=history, of=of)).text
    assert "Interrupted before it was scored" in text
    assert words in text
    assert "interrupted head only" not in text
    assert "not reached" in text  # the second phase
    assert "Class by class" not in text
    assert ("Epochs" in text) == bool(history)


def test_written_twice_it_is_the_same(tmp_path):
    assert page(tmp_path) == page(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_plan_without_class_weights(tmp_path):
    assert "weight in the loss" not in page(tmp_path, PLAN.model_copy(update={"class_weights": None}))


def test_oversampling_and_logit_offsets_stand_by_class(tmp_path):
    repeats, offsets = dict(zip(CLASSES, (1.0, 2.5, 7.125), strict=True)), dict(zip(CLASSES, (-0.5, -1.25, -4.0), strict=True))
    plan = PLAN.model_copy(
        update={"class_weights": None, "oversample": True, "repeats": repeats, "logit_offsets": offsets, "focal_gamma": 2.0}
    )
    text = Tags(page(tmp_path, plan)).text
    assert "class train validation test added to the logit times an epoch cat 70 15 15 -0.500 1.000" in text


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ({}, "No file was left out."),
        ({"<i>.txt": "not <b>a</b> picture"}, "1 file left out <i>.txt: not <b>a</b> picture"),
    ],
)
def test_files_left_out(tmp_path, left_out, words):
    plan = PLAN.model_copy(update={"data": PLAN.data.model_copy(update={"left_out": left_out})})
    html = page(tmp_path, plan)
    assert words in Tags(html).text
    assert "<i>" not in html


@pytest.mark.parametrize("name", ["items", "keys", "per_class", "train", "K\udce4fer"])
def test_classes_named_like_something_in_the_template(tmp_path, name):
    classes = (name, "values")
    plan = small_plan(classes=classes, class_weights=dict.fromkeys(classes, 1.0))
    of = metrics(test=score(np.log([[0.5, 0.5]]).astype(np.float32), np.array([1]), classes).as_dict())
    write_page(tmp_path, plan, HISTORY, of, [])
    html = (tmp_path / "report.html").read_text(encoding="utf-8", errors="surrogateescape")
    assert html.count(f"<td>{name}</td>") == 2
