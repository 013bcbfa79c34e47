"""Each command as a person runs it, in this process on the NumPy backend: what it prints, writes and ends with."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from support.command import NUMPY, Command
from support.folders import class_folder

RUN_FILES = {
    "plan.yaml", "recipe.yaml", "start.json", "data.json", "history.jsonl", "history.csv", "metrics.json", "predictions.csv",
    "findings.json", "gradcam.json", "model", "curves.png", "confusion.png", "report.html",
    "report.json", "report.md",
}  # fmt: skip


def table_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_inspect(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    status, out, _ = unfreeze("inspect", photos, "--chart", tmp_path / "counts.png")
    assert status == 0
    lines = out.splitlines()
    assert [line.split("█")[0].split() for line in lines[1:4]] == [["0", "24"], ["fat", "cat", "24"], ["été", "12"]]
    assert "60 pictures in 3 classes" in out
    assert "largest class / smallest: 2.0" in out
    assert "1 file is in no format that can be read\n  0/broken.jpg: " in out
    with Image.open(tmp_path / "counts.png") as chart:
        assert chart.format == "PNG"


def test_plan_trains_and_writes_nothing(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, out, _ = unfreeze("plan", photos, *NUMPY, "--strategy", "gradual", "--class-weights", "--rate", "0.01")
    assert status == 0
    assert "strategy gradual:" in out
    for part in ("1. head only", "2. down to stage1", "3. down to stem", "0.01", "0.005", "class weights", "1 file left out"):
        assert part in out
    assert sorted(tmp_path.rglob("*")) == before


def test_mixed_pictures_are_asked_for_trained_on_and_told(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    flags = ("--mixup", 0.2, "--cutmix", 1, "--trivial", "--set", "augment.erasing=0.25", "--head-epochs", 2, "--epochs", 2)
    told = "TrivialAugment; a box erased in 25% of the views; Mixup, parts from Beta(0.2, 0.2) or CutMix, parts from Beta(1, 1)"
    losses = []
    for cache in ("on", "off"):
        out = tmp_path / cache
        status, printed, errors = unfreeze("train", photos, *NUMPY, *flags, "--cache", cache, "--out", out, "--stages", 1)
        assert (status, errors) == (0, "")
        assert told in " ".join(printed.split())
        assert told in (out / "report.html").read_text(encoding="utf-8")
        losses.append([float(row["train_loss"]) for row in table_rows(out / "history.csv")])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    asked = yaml.safe_load((tmp_path / "on" / "recipe.yaml").read_text(encoding="utf-8"))["augment"]
    assert (asked["mixup"], asked["cutmix"], asked["trivial"], asked["erasing"]) == (0.2, 1, True, 0.25)


@pytest.mark.parametrize("value", [-1, 11, "nan"])
def test_a_part_that_no_beta_has_is_refused(unfreeze: Command, photos: Path, value: object) -> None:
    status, _, errors = unfreeze("plan", photos, *NUMPY, "--mixup", value)
    assert status != 0
    assert "augment.mixup" in errors
    assert "Traceback" not in errors


def test_train_makes_the_whole_run_folder(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, printed, errors = unfreeze("train", photos, *NUMPY, "--out", out, "--strategy", "fine-tune-top", "--stages", 1)
    assert (status, errors) == (0, "")
    assert {path.name for path in out.iterdir()} == RUN_FILES
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    rows = table_rows(out / "history.csv")
    assert [row["epoch"] for row in rows] == [str(record["epoch"]) for record in history]
    assert {record["boundary"] for record in history} == {"head", "stage1"}
    metrics = json.loads((out / "metrics.json").read_text())
    best = max((record for record in history if record["best"]), key=lambda record: record["epoch"])
    assert metrics["best_epoch"] == best["epoch"]
    assert metrics["validation"]["accuracy"] == pytest.approx(best["val_accuracy"])
    assert metrics["validation"]["confusion"] == best["confusion"]
    assert metrics["validation"]["balanced_accuracy"] == best["val_balanced_accuracy"]
    assert metrics["validation"]["macro_f1"] == best["val_macro_f1"]
    assert metrics["test"]["interval"][0] < metrics["test"]["accuracy"] <= metrics["test"]["interval"][1]
    predictions = table_rows(out / "predictions.csv")
    tests = [row for row in predictions if row["split"] == "test"]
    right = sum(row["label"] == row["predicted"] for row in tests)
    assert right / len(tests) == pytest.approx(metrics["test"]["accuracy"])
    for row in predictions:
        probabilities = [float(row[f"p({name})"]) for name in ("0", "fat cat", "été")]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert float(row["confidence"]) == max(probabilities)
    plan = yaml.safe_load((out / "plan.yaml").read_text(encoding="utf-8"))
    assert plan["data"]["fingerprint"] == json.loads((out / "data.json").read_text())["fingerprint"]
    assert {"python", "unfreeze", "numpy", "pillow"} <= set(plan["environment"])
    assert f"{out}/report.html" in printed
    assert "test: accuracy" in printed


def test_the_same_seed_gives_the_same_run(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert unfreeze("train", photos, *NUMPY, "--out", tmp_path / name, "--seed", seed, "--epochs", 3, "--quiet")[0] == 0

    def predictions(name: str) -> bytes:
        return (tmp_path / name / "predictions.csv").read_bytes()

    assert predictions("a") == predictions("b")
    assert predictions("a") != predictions("c")
    assert (tmp_path / "a/model/manifest.json").read_bytes() == (tmp_path / "b/model/manifest.json").read_bytes()


def test_train_on_a_recipe_file(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("framework: numpy\nmodel: tiny\nstrategy: feature-extraction\nhead_only: {epochs: 3}\n")
    assert unfreeze("train", photos, "--recipe", recipe, "--out", tmp_path / "run", "--quiet") == (0, "", "")
    assert len((tmp_path / "run/history.jsonl").read_text().splitlines()) == 3
    written = yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())
    assert (written["strategy"], written["head_only"]["epochs"]) == ("feature-extraction", 3)


def test_the_default_run_folder_is_named_by_data_and_model(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        unfreeze("train", photos, *NUMPY, "--strategy", "feature-extraction", "--head-epochs", 1, "--quiet")
    names = [path.name for path in (tmp_path / "runs").iterdir()]
    assert len(names) == 2
    assert all("-photos-tiny" in name for name in names)


def test_oversampling_and_given_splits(unfreeze: Command, tmp_path: Path) -> None:
    for split, count in (("train", 12), ("valid", 4)):
        class_folder(tmp_path / "data" / split, {"a": count, "b": count // 2})
    status, out, _ = unfreeze("train", tmp_path / "data", *NUMPY, "--oversample", "--out", tmp_path / "run", "--epochs", 2)
    assert status == 0
    assert "oversampled to 24 pictures an epoch, 6 of them repeats" in out
    assert "times a picture is shown: 1 (a, 12 pictures) to 2 (b, 6 pictures)" in out
    assert "no test pictures: the run will have no test score" in out
    assert "validation: accuracy" in out
    assert json.loads((tmp_path / "run/metrics.json").read_text())["test"] is None


def test_a_plan_shows_what_is_done_about_unequal_classes(unfreeze: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split in ("train", "val"):
        class_folder(data / split, {"a": 28, "b": 7})
    weighted = unfreeze("plan", data, *NUMPY, "--set", "imbalance={class_weights: effective, beta: 0.9, loss: focal}")[1]
    adjusted = unfreeze("plan", data, *NUMPY, "--set", "imbalance.loss=logit-adjusted", "--set", "watch=val_macro_f1")[1]
    # (1 - 0.9^28) / (1 - 0.9^7) = 1.816
    assert "class weights in the loss, 0.86 (a, 28 pictures) to 1.56 (b, 7 pictures)" in weighted
    assert "focal loss, γ 2, label smoothing 0.1; best epoch by val_loss" in weighted
    assert "logit-adjusted cross-entropy, label smoothing 0.1; best epoch by val_macro_f1" in adjusted
    assert "-0.223" in adjusted and "-1.609" in adjusted  # log 0.8 and log 0.2, class by class
    status, _, err = unfreeze("plan", data, *NUMPY, "--oversample", "--set", "imbalance.loss=logit-adjusted")
    assert status == 2
    assert "oversample and loss: logit-adjusted each make up for rare classes" in err


@pytest.mark.parametrize("settings", ["{loss: logit-adjusted}", "{loss: focal, class_weights: inverse-sqrt}"])
def test_each_loss_trains(unfreeze: Command, tmp_path: Path, settings: str) -> None:
    data, out = class_folder(tmp_path / "data", {"a": 40, "b": 14}), tmp_path / "run"
    status, printed, _ = unfreeze(
        "train", data, *NUMPY, "--set", f"imbalance={settings}", "--set", "watch=val_balanced_accuracy", "--out", out
    )
    assert status == 0
    assert "the best by val_balanced_accuracy" in printed
    assert json.loads((out / "metrics.json").read_text())["test"]["balanced_accuracy"] > 0.8


def test_evaluate(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    more = class_folder(tmp_path / "more", {"0": 5, "fat cat": 5})
    (more / "0" / "notes.txt").write_text("hello")
    status, out, _ = unfreeze("evaluate", run, more)
    assert status == 0
    assert f"{more}: accuracy 100.0% (95 % interval 72.2% to 100.0%, Wilson; 10 pictures" in out
    assert "balanced accuracy 100.0% (the mean recall of the classes), macro-F1 100.0%" in out  # été has no pictures here
    assert "0/notes.txt: not a picture" in out


def test_evaluate_refuses_unknown_classes(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    more = class_folder(tmp_path / "more", {"fat cats": 2})
    status, out, err = unfreeze("evaluate", run, more)
    assert (status, out) == (2, "")
    assert err == (f"unfreeze: {more}: the run knows no class 'fat cats'. Did you mean 'fat cat'? It knows 0, fat cat, été.\n")


def test_evaluate_says_what_was_scored_and_what_was_trained_on(unfreeze: Command, run: Path, photos: Path) -> None:
    data = json.loads((run / "data.json").read_text())
    trained = sum(picture["split"] == "train" for picture in data["pictures"])
    out = unfreeze("evaluate", run, photos)[1]
    assert f"the run was trained on {trained} of these 60 pictures: the score on them says little" in out


def test_evaluate_takes_the_test_split_where_there_is_one(unfreeze: Command, run: Path, tmp_path: Path) -> None:
    for split, count in (("train", 4), ("test", 3)):
        class_folder(tmp_path / "given" / split, {"0": count, "fat cat": count})
    out = unfreeze("evaluate", run, tmp_path / "given")[1]
    assert f"{tmp_path / 'given'}, split test: accuracy" in out
    assert "6 pictures" in out


def test_evaluate_refuses_a_manifest_with_half_a_split(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    names = sorted((photos / "0").glob("*.png"))[:3]
    lines = [f"{name},0,{split}" for name, split in zip(names, ("test", "", ""), strict=True)]
    (tmp_path / "half.csv").write_text("\n".join(["path,label,split", *lines]))
    status, _, err = unfreeze("evaluate", run, tmp_path / "half.csv")
    assert status == 2
    assert "some pictures have a split and some have none" in err


def test_a_run_on_some_classes_is_evaluated_on_those(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert unfreeze("train", photos, *NUMPY, "--classes", "0, été", "--out", out, "--quiet", "--epochs", 2)[0] == 0
    status, printed, _ = unfreeze("evaluate", out, photos)
    assert status == 0
    assert "36 pictures" in printed
    assert "left out, because the run chose other classes: fat cat" in printed
    assert "24" in unfreeze("inspect", photos, "--classes", "0")[1]


def test_predict_prints(unfreeze: Command, run: Path, photos: Path) -> None:
    picture = min((photos / "fat cat").iterdir())
    status, out, _ = unfreeze("predict", run, picture)
    assert status == 0
    assert out.startswith(f"{picture}: fat cat (")


def test_predict_to_a_file_and_folders(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "deep" / "predictions.csv"
    status, out, _ = unfreeze("predict", run, photos / "0", photos / "été", "--to", table)
    assert status == 0
    rows = table_rows(table)
    assert len(rows) == 24 + 1 + 12
    assert [row["path"] for row in rows[:25]] == sorted(row["path"] for row in rows[:25])
    broken = [row for row in rows if row["error"]]
    assert [Path(row["path"]).name for row in broken] == ["broken.jpg"]
    assert (broken[0]["predicted"], broken[0]["confidence"], broken[0]["p(0)"]) == ("", "", "")
    assert {row["predicted"] for row in rows if Path(row["path"]).parent.name == "été"} == {"été"}
    assert "36 pictures named" in out
    assert "1 file left out" in out


def test_predictions_agree_with_the_runs_own(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    own = {row["path"]: row for row in table_rows(run / "predictions.csv")}
    unfreeze("predict", run, photos, "--to", tmp_path / "p.csv")
    again = {Path(row["path"]).relative_to(photos).as_posix(): row for row in table_rows(tmp_path / "p.csv")}
    for name, row in own.items():
        assert again[name]["predicted"] == row["predicted"]
        assert float(again[name]["confidence"]) == pytest.approx(float(row["confidence"]), abs=2e-6)


def test_models(unfreeze: Command) -> None:
    assert "tiny" in unfreeze("models", "--framework", "numpy")[1]
    status, out, _ = unfreeze("models", "tiny", "--framework", "numpy")
    assert status == 0
    assert "input 16 × 16 RGB (at least 8)" in out
    assert [line.split()[0] for line in out.splitlines()[3:6]] == ["stem", "stage1", "head"]
    assert unfreeze("models", "nothing*", "--framework", "numpy")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "nowhere"), "nowhere: there is no such folder"),
        (("train", "nowhere"), "nowhere: there is no such folder"),
        (("train", ".", "--recipe", "exercize"), "Did you mean 'exercise'?"),
        (("train", ".", "--strategy", "fine-tune"), "Did you mean 'fine-tune-top'?"),
        (("train", ".", "--set", "head.dropot=0.5"), "head.dropot: there is no such key. Did you mean 'dropout'?"),
        (("train", ".", "--set", "nonsense"), "write it as NAME=VALUE"),
        (("train", ".", "--framework", "tensorflw"), "there is no backend for 'tensorflw'"),
        (("evaluate", "nowhere", "."), "nowhere isn't a run"),
        (("predict", "nowhere", "."), "nowhere isn't a run"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    unfreeze: Command, arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = unfreeze(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("unfreeze: ")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_come_at_once(unfreeze: Command, tmp_path: Path) -> None:
    err = unfreeze("train", tmp_path, "--dropout", 2, "--epochs", 0, "--set", "colour=red")[2]
    assert "3 mistakes" in err
    assert all(name in err for name in ("head.dropout", "unfrozen.epochs", "colour"))


def test_a_run_folder_in_use_is_left_alone(unfreeze: Command, photos: Path, run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    status, _, err = unfreeze("train", photos, *NUMPY, "--out", run)
    assert (status, err) == (2, f"unfreeze: {run} exists and isn't an empty folder: give another --out, or move it away\n")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_ctrl_c_leaves_a_usable_run(unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.numpy_backend import NumpyBackend

    train_epoch, epochs = NumpyBackend.train_epoch, []

    def interrupted(self: NumpyBackend, *arguments: object) -> object:
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return train_epoch(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(NumpyBackend, "train_epoch", interrupted)
    out = tmp_path / "run"
    status, printed, _ = unfreeze("train", photos, *NUMPY, "--out", out)
    assert status == 130
    assert "Interrupted: the weights of epoch 2, the best so far, are kept" in printed
    assert (out / "report.html").exists()
    assert len((out / "history.jsonl").read_text().splitlines()) == 2
    status, printed, _ = unfreeze("evaluate", out, photos)
    assert status == 0
    assert "accuracy" in printed


def test_the_pictures_are_never_changed(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*") if path.is_file()}
    unfreeze("train", photos, *NUMPY, "--out", tmp_path / "run", "--quiet", "--epochs", 2)
    unfreeze("predict", tmp_path / "run", photos, "--to", tmp_path / "p.csv")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*") if path.is_file()} == before


def test_ctrl_c_in_the_first_epoch_leaves_a_run_that_opens(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(NumpyBackend, "train_epoch", interrupted)
    status, printed, _ = unfreeze("train", photos, *NUMPY, "--out", tmp_path / "run")
    assert status == 130
    assert "Interrupted: the weights as they were are kept" in printed
    monkeypatch.undo()


def test_ctrl_c_while_scoring_keeps_the_run(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    predict, calls = NumpyBackend.predict, []

    def interrupted(self: NumpyBackend, batches: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return predict(self, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(NumpyBackend, "predict", interrupted)
    arguments = ("--strategy", "feature-extraction", "--head-epochs", 3, "--out", tmp_path / "run")
    status, printed, _ = unfreeze("train", photos, *NUMPY, *arguments)
    assert status == 130
    assert "Interrupted" in printed
    assert json.loads((tmp_path / "run/metrics.json").read_text())["test"] is None
    assert (tmp_path / "run/model/manifest.json").exists()


def test_pictures_that_vanish_cost_no_finished_epoch(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    train_epoch, epochs = NumpyBackend.train_epoch, []

    def vanishing(self: NumpyBackend, *arguments: object) -> object:
        epochs.append(1)
        if len(epochs) == 3:
            for picture in (photos / "0").iterdir():
                picture.unlink()
        return train_epoch(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(NumpyBackend, "train_epoch", vanishing)
    status, _, err = unfreeze("train", photos, *NUMPY, "--out", tmp_path / "run", "--quiet")
    assert status == 2
    assert "can't be read (No such file or directory)" in err
    status, printed, _ = unfreeze("predict", tmp_path / "run", photos / "été")
    assert status == 0
    assert len(printed.splitlines()) == 12


def test_values_the_strategy_has_no_use_for_are_named(unfreeze: Command, photos: Path) -> None:
    out = unfreeze("plan", photos, *NUMPY, "--strategy", "feature-extraction", "--epochs", 50, "--stages", 3)[1]
    assert "the strategy feature-extraction has no use for unfreeze.stages, unfrozen, which the recipe gives" in out


def test_groups_too_few_to_split_are_a_clear_error(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    lines = [f"{name},{name.parent.name},{name.parent.name}" for name in sorted(photos.glob("*/*.png"))]
    (tmp_path / "m.csv").write_text("\n".join(["path,label,group", *lines]), encoding="utf-8")
    status, _, err = unfreeze("plan", tmp_path / "m.csv", *NUMPY)
    assert status == 2
    assert "nothing is left to validate with" in err


def test_a_chart_that_can_not_be_written_is_a_clear_error(unfreeze: Command, photos: Path, tmp_path: Path) -> None:
    status, _, err = unfreeze("inspect", photos, "--chart", tmp_path / "missing/counts.png")
    assert (status, err.splitlines()[-1]) == (
        2,
        f"unfreeze: {tmp_path}/missing/counts.png: can't be written, there is no folder {tmp_path}/missing: make it, or name"
        " another file",
    )


def test_ctrl_c_before_training_says_so(unfreeze: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unfreeze.api import inspections

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspections, "scan", interrupted)
    assert unfreeze("inspect", photos) == (130, "", "unfreeze: interrupted\n")


def test_predict_leaves_hidden_files_and_folders_out(unfreeze: Command, run: Path, photos: Path, tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "more", {"a": 2, ".hidden": 2, "__MACOSX": 1})
    (folder / "a" / ".picture.png").write_bytes(b"")
    assert len(unfreeze("predict", run, folder)[1].splitlines()) == 2


def test_the_demo_does_it_all(unfreeze: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unfreeze.cli import demo

    quick = {"framework": "numpy", "model": "tiny", "head_only": {"epochs": 1}, "unfrozen": {"epochs": 1}}
    monkeypatch.setattr(demo, "_RECIPE", quick)
    status, out, err = unfreeze("demo", "--out", tmp_path / "demo")
    assert (status, err) == (0, "")
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"pictures", "new", "feature-extraction", "fine-tune-top"}
    for part in ("1647 pictures in 10 classes", "150 pictures", "unfreeze predict"):
        assert part in out
    assert "the run was trained on" not in out
    assert [line.split()[0] for line in out.splitlines() if "test accuracy" in line] == ["feature-extraction", "fine-tune-top"]


def test_ctrl_c_between_an_epoch_and_its_saving_saves_it(
    unfreeze: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.numpy_backend import NumpyBackend

    save_model, calls = NumpyBackend.save_model, []

    def interrupted(self: NumpyBackend, folder: Path) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        save_model(self, folder)

    monkeypatch.setattr(NumpyBackend, "save_model", interrupted)
    out = tmp_path / "run"
    assert unfreeze("train", photos, *NUMPY, "--out", out, "--quiet")[0] == 130
    assert len(calls) == 3
    assert json.loads((out / "metrics.json").read_text())["best_epoch"] == 2
