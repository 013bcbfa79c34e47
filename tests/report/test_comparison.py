"""Runs side by side: what differs, and whether they can be told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.made_up import epochs, small_network, small_plan
from unfreeze.diagnosis.finding import Finding
from unfreeze.recipe.read import validate_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.report.comparison.charts import comparison_panels
from unfreeze.report.comparison.classes import ClassRecalls, recalls_by_class
from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.comparison.curves import draw_comparison
from unfreeze.report.comparison.differences import find_differences
from unfreeze.report.comparison.disputed import find_disputed
from unfreeze.report.comparison.page import write_comparison
from unfreeze.report.comparison.pairs import pair_up
from unfreeze.report.comparison.runs import ComparedRun
from unfreeze.report.comparison.verdict import judge
from unfreeze.report.run_files import RunFiles
from unfreeze.training.run_folder import Predicted
from unfreeze.training.scores import ClassScore, Scores, accuracy_interval


def scores(right: int, pictures: int, **recalls: float) -> Scores:
    confusion = np.array([[right, pictures - right], [0, 0]], np.int64)
    per_class = {name: ClassScore(0.5, recall, 0.5, 20) for name, recall in recalls.items()}
    return Scores(0.5, right / pictures, accuracy_interval(right, pictures), per_class, confusion)


def named(right: str, first: int = 0, sure: float = 0.8) -> Predicted:
    """A picture of class cat for each letter, named right where it is `r`, as class dog where it is `w`, else as class owl."""
    rows = [np.roll([sure, (1 - sure) / 2, (1 - sure) / 2], "rwo".index(letter)) for letter in right]
    names = tuple(f"cat/{number}.png" for number in range(first, first + len(right)))
    return Predicted(names, np.zeros(len(right), np.int64), np.array(rows).reshape(-1, 3))


def compared(name: str, **changes: Any) -> ComparedRun:
    """A run of 90 right answers in 100; `changes` replace what its files hold."""
    predicted = changes.get("predicted", {})
    contents = {name: f"hash of {name}" for of_split in predicted.values() for name in of_split.names}
    values: dict[str, Any] = {
        "folder": Path(name),
        "plan": small_plan(),
        "recipe": None,
        "history": epochs(phase=[1, 1, 2], val_loss=[0.9, 0.8, 0.7], best=[True, True, True]),
        "metrics": {"best_epoch": 3, "interrupted": False, "seconds": {"preparing": 1.0, "training": 6.0}},
        "scores": {"validation": scores(90, 100), "test": scores(90, 100)},
        "findings": [],
        "data": {"pictures": contents},
        "data_findings": [],
        "predicted": predicted,
        "calibration": None,
        "gradcam": None,
        "missing": (),
    }
    return ComparedRun(name, RunFiles(**values | changes))


def differences(*plans: Any) -> dict[str, tuple[str, ...]]:
    return dict(find_differences(plans))


def test_plans_that_are_the_same_differ_in_nothing() -> None:
    assert differences(small_plan(), small_plan()) == {}


def test_values_are_named_with_dots_and_phases_by_number() -> None:
    recipe = validate_recipe({"unfrozen": {"rate": 0.00025}, "label_smoothing": 0.2})
    found = differences(small_plan(), small_plan(recipe, seed=3, oversample=True, class_weights={"cat": 0.5, "dog": 2.0}))
    assert found == {
        "seed": ("0", "3"),
        "oversample": ("no", "yes"),
        "class_weights": ("none", "cat 0.5, dog 2"),
        "phases.2.rate": ("0.0005", "0.00025"),
    }


def test_numbers_by_class_are_one_row_each() -> None:
    adjusted = small_plan(logit_offsets={"a.b": -1.5, "dog": -0.5}, repeats={"a.b": 2.0, "dog": 1.0})
    assert differences(small_plan(), adjusted) == {
        "logit_offsets": ("none", "a.b -1.5, dog -0.5"),
        "repeats": ("none", "a.b 2, dog 1"),
    }


def test_a_phase_that_only_one_plan_has_is_one_line() -> None:
    found = differences(small_plan(), small_plan(Recipe(strategy="feature-extraction")))
    assert found["phases.2"] == ("last 2 stages: from stage2, 10 epochs, rate 0.0005, adamw", "—")
    assert not [name for name in found if name.startswith("phases.2.")]


def test_layers_and_environment_are_summed_up() -> None:
    network = small_network()
    fewer = network.model_copy(update={"stages": network.stages[1:], "framework": "tensorflow"})
    renamed = network.model_copy(
        update={"stages": (*network.stages[:-1], network.stages[-1].model_copy(update={"name": "top"}))}
    )
    plan = small_plan(environment={"python": "3.11", "torch": "2.8", "threads": "2"})
    found = differences(plan, plan.model_copy(update={"network": fewer, "environment": {"python": "3.11", "keras": "3.12"}}))
    assert found["network.framework"] == ("torch", "tensorflow")
    assert [text.partition(" (")[0] for text in found["network.stages"]] == [
        "5 stages, 10 layers, 1,793 parameters", "4 stages, 8 layers, 1,683 parameters",
    ]  # fmt: skip
    assert found["environment"] == ("torch 2.8, threads 2", "keras 3.12")
    assert len(found) == 3
    assert list(differences(plan, plan.model_copy(update={"network": renamed}))) == ["network.stages"]


def test_three_plans_have_a_value_each() -> None:
    assert differences(*(small_plan(seed=seed) for seed in (0, 1, 0))) == {"seed": ("0", "1", "0")}


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    [
        # 2 · (C(9, 0) + C(9, 1)) / 2⁹
        ("rrrrrrrr" + "w" + "rrr" + "ww", "wwwwwwww" + "r" + "rrr" + "ww", 20 / 512),
        ("rw", "wr", 1.0),
        ("rrww", "rrww", 1.0),
        ("rrrrr", "wwwww", 2 / 32),
    ],
)
def test_the_exact_mcnemar_test(first: str, second: str, p_value: float) -> None:
    pair = pair_up([compared("a", predicted={"test": named(first)}), compared("b", predicted={"test": named(second)})])[0]
    assert pair.disagreement is not None
    assert pair.disagreement.pictures == len(first)
    assert pair.disagreement.only_first == sum(one == "r" and other == "w" for one, other in zip(first, second, strict=True))
    assert pair.disagreement.p_value == pytest.approx(p_value)


def test_other_pictures_are_not_tested() -> None:
    others = {
        "one more": {"predicted": {"test": named("rww")}},
        "another place": {"predicted": {"test": named("rw", first=1)}},
        "changed since": {"predicted": {"test": named("rw")}, "data": {"pictures": {"cat/0.png": "new"}}},
        "none": {"predicted": {}},
    }
    for changes in others.values():
        pair = pair_up([compared("a", predicted={"test": named("rw")}), compared("b", **changes)])[0]
        assert pair.disagreement is None
        assert pair.in_words().endswith("they were not scored on the same pictures")


@pytest.mark.parametrize(("right", "overlap"), [(90, True), (83, True), (75, False)])
def test_intervals_overlap_or_not(right: int, overlap: bool) -> None:
    # Wilson of 90 in 100: 0.826 to 0.945; of 83: 0.745 to 0.891; of 75: 0.657 to 0.825.
    pair = pair_up([compared("a"), compared("b", scores={"validation": scores(90, 100), "test": scores(right, 100)})])[0]
    assert (pair.split, pair.overlap) == ("test", overlap)


def test_without_test_scores_validation_is_compared_and_without_any_nothing() -> None:
    runs = [compared("a"), compared("b", scores={"validation": scores(90, 100)}), compared("c", scores={})]
    assert [(pair.first, pair.second, pair.split) for pair in pair_up(runs)] == [
        ("a", "b", "validation"), ("a", "c", None), ("b", "c", None),
    ]  # fmt: skip


def test_seconds_and_pictures_per_second_are_over_all_epochs() -> None:
    history = epochs(train_seconds=[1.0, 3.0], val_seconds=[0.5, 0.5], pictures_per_second=[400.0, 100.0])
    run = compared("a", history=history)
    assert run.seconds_per_epoch == pytest.approx(2.5)
    assert run.pictures_per_second == pytest.approx(700 / 4)
    assert (compared("b", history=[]).seconds_per_epoch, compared("b", history=[]).pictures_per_second) == (None, None)


def test_the_curves_of_many_runs_can_be_drawn(tmp_path: Path) -> None:
    runs = [compared(f"run {number} $x_") for number in range(9)] + [compared("empty", history=[])]
    draw_comparison(runs, tmp_path / "comparison.png")
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.format == "PNG"
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x56, 0xB4, 0xE9)):
        assert (colours == colour).all(axis=1).any()


def judged(*answers: str, seconds: tuple[float, ...] = (), **changes: Any) -> tuple[str, str | None]:
    """The verdict on runs a, b, … that named the same pictures so."""
    runs = []
    for place, letters in enumerate(answers):
        took = {"training": seconds[place]} if seconds else {}
        metrics = {"best_epoch": 3, "interrupted": False, "seconds": took}
        scored = {"test": scores(letters.count("r"), len(letters))}
        values = {"predicted": {"test": named(letters)}, "scores": scored, "metrics": metrics}
        runs.append(compared("abcd"[place], **values | changes))
    verdict = judge(runs, pair_up(runs))
    return verdict.words, verdict.best


def test_the_better_run_is_the_one_that_the_test_tells_apart() -> None:
    # 8 against 0: p = 2 / 2⁸ = 0.008
    assert judged("rrrrrrrrrr", "rrwwwwwwww") == ("a (100.0 %) is better than b (20.0 %) on the 10 test pictures.", "a")
    assert judged("rrwwwwwwww", "rrrrrrrrrr")[1] == "b"


def test_runs_that_cannot_be_told_apart_are_told_by_time() -> None:
    # 5 against 0: p = 2 / 2⁵ = 0.063
    words = "b (100.0 %) and a (50.0 %) can't be told apart on the 10 test pictures"
    assert judged("rrrrrwwwww", "rrrrrrrrrr") == (f"{words}.", None)
    assert judged("rrrrrwwwww", "rrrrrrrrrr", seconds=(23, 54.2))[0] == f"{words}; a trained in 23 s, the other in 54 s."


def test_three_runs_share_the_error() -> None:
    # Of three tests each has 0.05 / 3 = 0.017: 8 against 0, p = 0.008, and 7 against 0, 0.016, do; 6 against 0, 0.031, doesn't.
    assert judged("r" * 10, "rr" + "w" * 8, "rrr" + "w" * 7) == (
        "a (100.0 %) is better than c (30.0 %) and b (20.0 %) on the 10 test pictures.", "a",
    )  # fmt: skip
    assert judged("r" * 10, "rr" + "w" * 8, "rrrr" + "w" * 6) == (
        "a (100.0 %) and c (40.0 %) can't be told apart on the 10 test pictures; b (20.0 %) is worse than a.", None,
    )  # fmt: skip
    assert judged("r" * 10, "r" * 8 + "ww", "r" * 9 + "w")[0] == (
        "a (100.0 %) has the highest accuracy on the 10 test pictures, but can't be told apart from c (90.0 %) and b (80.0 %)."
    )


def test_without_common_pictures_none_is_called_better() -> None:
    runs = [compared("a", scores={"test": scores(99, 100)}), compared("b", scores={"test": scores(50, 100)})]
    words = "a (99.0 %) has the highest accuracy of its test pictures, before b (50.0 %)"
    assert judge(runs, pair_up(runs)).words == f"{words}, but not all were scored on the same pictures."
    runs = [compared("a"), compared("b", scores={})]
    verdict = judge(runs, pair_up(runs))
    assert (verdict.split, verdict.best) == (None, None)
    assert verdict.words == "There is no split that the runs were scored on, so none can be called better."


def test_runs_that_were_not_scored_are_left_aside() -> None:
    scored = {"test": scores(9, 10, cat=0.9)}
    runs = [
        compared("a", predicted={"test": named("rrrrrrrrrw")}, scores=scored),
        compared("b", scores={}),
        compared("c", predicted={"test": named("rrrrrrrrww")}, scores=scored),
    ]
    verdict = judge(runs, pair_up(runs))
    assert verdict.words.startswith("a (90.0 %) and c (90.0 %) can't be told apart on the 10 test pictures")
    assert recalls_by_class(runs, verdict.split)[0] == ClassRecalls("cat", (20, None, 20), (0.9, None, 0.9), 0.0)
    disputed = find_disputed(runs, verdict.split)
    assert disputed is not None
    assert [one.named for one in disputed.pictures] == [("cat", None, "dog")]
    assert disputed.pictures[0].of_true == (pytest.approx(0.8), None, pytest.approx(0.1))
    assert (disputed.shared, disputed.all_wrong) == (10, 1)


def test_classes_come_by_how_far_the_runs_are_apart() -> None:
    first = scores(90, 100, cat=0.9, dog=0.4)
    runs = [
        compared("a", scores={"test": first}),
        compared("b", scores={"test": scores(90, 100, cat=0.8, dog=0.9)}, plan=small_plan(classes=("cat", "dog"))),
    ]
    assert recalls_by_class(runs, "test") == (
        ClassRecalls("dog", (20, 20), (0.4, 0.9), pytest.approx(0.5)),
        ClassRecalls("cat", (20, 20), (0.9, 0.8), pytest.approx(0.1)),
        ClassRecalls("owl", (None, None), (None, None), 0.0),
    )
    assert recalls_by_class(runs, None) == ()


def test_disputed_pictures_come_by_the_probability_of_the_true_class() -> None:
    runs = [
        compared("a", predicted={"test": named("rrwwr")}),
        compared("b", predicted={"test": Predicted(
            named("rrwwr").names[:4], np.zeros(4, np.int64),
            np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0, 0.9, 0.1], [0.45, 0.1, 0.45]]),
        )}),
    ]  # fmt: skip
    disputed = find_disputed(runs, "test")
    assert disputed is not None
    assert (disputed.shared, disputed.all_wrong) == (4, 1)
    assert [(one.name, one.true, one.named) for one in disputed.pictures] == [
        ("cat/1.png", "cat", ("cat", "dog")), ("cat/3.png", "cat", ("dog", "cat")),
    ]  # fmt: skip
    assert [one.spread for one in disputed.pictures] == pytest.approx([0.8 - 0.1, 0.45 - 0.1])
    assert find_disputed([compared("a"), compared("b")], "test") is None
    assert find_disputed(runs, None) is None


def test_lines_of_all_runs_share_their_axes_and_mark_the_epoch_kept() -> None:
    runs = [compared("a"), compared("long", history=epochs(val_loss=[2.0, 1.0, float("nan"), 0.5]))]
    loss, accuracy = comparison_panels(runs)
    lines = {series.css: series for series in loss.series}
    assert list(lines) == ["r0 train-line", "r1 train-line", "r0", "r0 kept", "r1"]  # epoch 3 of `long` has no number
    assert [len(path.split()) for path in lines["r1"].paths] == [2, 1]
    assert [place.partition(",")[0] for place in lines["r0"].paths[0].split()] == [
        place.partition(",")[0] for place in lines["r1 train-line"].paths[0].split()[:3]
    ]
    assert lines["r0 kept"].dots[0][2] == "a, epoch 3, whose weights it has: 0.7"
    heights = [float(place.partition(",")[2]) for place in lines["r0"].paths[0].split()]
    assert heights == sorted(heights)  # downwards on the page: the loss falls
    assert accuracy.title == "Accuracy"
    assert comparison_panels([compared("a", history=[])]) == []


def test_the_three_forms_hold_the_same_facts(tmp_path: Path) -> None:
    found = Finding("overfitting", "found", "warning", "It knows <its> pictures.", epoch=2)
    runs = (
        compared("a|b", predicted={"test": named("rrrw")}, scores={"test": scores(75, 100, cat=0.75)}, findings=[found]),
        compared("c <d>", predicted={"test": named("rwrw")}, scores={"test": scores(50, 100, cat=0.5)}, history=[]),
    )
    pairs = pair_up(runs)
    verdict = judge(runs, pairs)
    comparison = Comparison(
        runs, verdict, (), find_differences([run.plan for run in runs]), True, pairs,
        recalls_by_class(runs, "test"), find_disputed(runs, "test"), ("mind this",),
    )  # fmt: skip
    write_comparison(comparison, tmp_path / "to")
    facts = json.loads((tmp_path / "to/comparison.json").read_text())
    assert (facts["verdict"], facts["better"], facts["split"]) == (verdict.words, None, "test")
    assert facts["runs"][0]["finding"] == {
        "code": "overfitting", "severity": "warning", "words": "it knows its training pictures much better than new ones",
        "explanation": "It knows <its> pictures.",
    }  # fmt: skip
    assert facts["runs"][0]["scores"]["test"]["accuracy"] == 0.75
    assert [record["val_loss"] for record in facts["runs"][0]["epochs"]] == [0.9, 0.8, 0.7]
    assert facts["classes"][0] == {"name": "cat", "pictures": [20, 20], "recalls": [0.75, 0.5], "spread": 0.25}
    assert facts["disputed"]["pictures"] == [
        {
            "name": "cat/1.png",
            "true": "cat",
            "named": ["cat", "dog"],
            "of_true": pytest.approx([0.8, 0.1]),
            "spread": pytest.approx(0.7),
        }
    ]
    assert (facts["disputed"]["shared"], facts["disputed"]["differing"], facts["disputed"]["all_wrong"]) == (4, 1, 1)
    text = (tmp_path / "to/comparison.md").read_text()
    assert "**a\\|b (75.0 %) and c \\<d\\> (50.0 %) can't be told apart on the 100 test pictures.**" in text
    assert "| cat | 75.0 % | 50.0 % | 25.0 % |" in text
    assert "- cat/1.png: is cat; a\\|b cat (80.0 % for the true class); c \\<d\\> dog (10.0 % for the true class)" in text
    assert "overfitting (warning): It knows \\<its\\> pictures." in text
    page = (tmp_path / "to/comparison.html").read_text()
    assert "<d>" not in page
    assert "<its>" not in page
    for shown in ("c &lt;d&gt;", "It knows &lt;its&gt; pictures.", "mind this", ">25.0 %<", "cat/1.png", "no picture"):
        assert shown in page
