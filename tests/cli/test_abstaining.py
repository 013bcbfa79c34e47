"""Calibrated probabilities and abstaining through a run folder, on the NumPy backend."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.command import Command
from support.folders import COLOURS, write_picture
from unfreeze import api
from unfreeze.errors import RecipeError, RunError
from unfreeze.recipe.read import read_recipe
from unfreeze.training import run_folder
from unfreeze.training.calibration import fit_temperature, read_calibration, with_temperature

CLASSES = ("fat cat", "été")


def mixed_folder(root: Path, pictures: int, seed: int = 0) -> Path:
    """Colours from red to blue, of one class the redder, the less sure in between: nobody can be right about all of them."""
    generator = np.random.default_rng(seed)
    red, blue = np.array(COLOURS[0]), np.array(COLOURS[1])
    for number in range(pictures):
        part = generator.random()
        label = CLASSES[int(generator.random() < 1 / (1 + np.exp(-16 * (part - 0.5))))]
        colour = (red + part * (blue - red)).round().astype(int).tolist()
        write_picture(root / label / f"{number:03d}.png", tuple(colour), seed=1000 * seed + number)
    return root


def train(data: Path, out: Path, **changes: object) -> api.Run:
    settings = {
        "framework": "numpy", "model": "tiny", "strategy": "full",
        "head_only.epochs": 2, "unfrozen.epochs": 12, "unfrozen.rate": 0.003,
        "data.validation_fraction": 0.4, "data.test_fraction": 0.2, "data.inspect": "none",
        "augment.crop_min_area": 1, "augment.jitter": 0, "augment.views": 1,
    }  # fmt: skip
    return api.train(data, out=out, **settings, **changes)


@pytest.fixture(scope="module")
def _numpy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_folder(tmp_path_factory.mktemp("mixed") / "pictures", 400)


@pytest.fixture(scope="module")
def run(_numpy: None, pictures: Path) -> api.Run:
    return train(pictures, pictures.parent / "run")


@pytest.fixture(scope="module")
def raw(_numpy: None, pictures: Path) -> api.Run:
    return train(pictures, pictures.parent / "raw", calibrate=False)


def table_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def predicted(run: api.Run) -> dict[str, run_folder.Predicted]:
    return run_folder.read_predictions(run.folder, run.plan.data.classes)


def test_a_run_is_calibrated_on_its_validation_pictures(run: api.Run, raw: api.Run) -> None:
    calibration = read_calibration(run.folder / "model")
    assert calibration is not None
    before, after = predicted(raw)["validation"], predicted(run)["validation"]
    logs = np.log(before.probabilities).astype(np.float32)
    expected = fit_temperature(logs, before.labels)
    assert calibration.temperature == pytest.approx(expected.temperature, rel=1e-3) != 1
    np.testing.assert_allclose(after.probabilities, np.exp(with_temperature(logs, calibration.temperature)), atol=1e-5)
    np.testing.assert_array_equal(after.classes, before.classes)
    assert run.validation is not None
    assert run.validation.loss == calibration.loss_after < calibration.loss_before
    # The curves stay those of the network itself.
    assert [record.val_loss for record in run.history] == [record.val_loss for record in raw.history]
    assert calibration.loss_before == pytest.approx(run.history[run.best_epoch - 1].val_loss, abs=1e-6)


def test_switched_off_there_is_none(raw: api.Run) -> None:
    assert sorted(path.name for path in (raw.folder / "model").iterdir()) == ["manifest.json"]
    assert raw.plan.calibrate is False
    assert read_recipe(raw.folder / "recipe.yaml").calibrate is False
    assert raw.validation is not None
    assert raw.validation.loss == pytest.approx(raw.history[raw.best_epoch - 1].val_loss, abs=1e-6)


@pytest.mark.parametrize("name", ["run", "raw"])
def test_predict_and_evaluate_say_what_the_run_says(name: str, pictures: Path, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(name)
    test = predicted(run)["test"]
    expected = dict(zip(test.names, test.probabilities, strict=True))
    named = run.predict([pictures / name for name in test.names])
    for one in named:
        known = expected[one.path.relative_to(pictures).as_posix()]
        np.testing.assert_allclose(list(one.probabilities.values()), known, atol=2e-6)
        assert one.confidence == max(one.probabilities.values())
        assert (one.label, one.abstained) == (CLASSES[int(known.argmax())], False)
    shutil.rmtree(pictures.parent / "test", ignore_errors=True)
    for file in test.names:
        (pictures.parent / "test" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pictures / file, pictures.parent / "test" / file)
    evaluation = run.evaluate(pictures.parent / "test")
    assert evaluation.scores.loss == pytest.approx(run.test.loss, abs=1e-6)
    assert evaluation.abstaining is None


def test_evaluate_tells_calibration(unfreeze: Command, run: api.Run, raw: api.Run, tmp_path: Path) -> None:
    more = mixed_folder(tmp_path / "more", 300, seed=1)
    after, before = (one.evaluate(more, min_precision=0.9) for one in (run, raw))
    assert after.calibration_error < before.calibration_error
    assert after.calibration_error < after.error_by_chance[1] < before.calibration_error
    assert after.abstaining is not None
    confident = [one for one in run.predict([more], min_precision=0.9) if not one.abstained]
    assert after.abstaining.named == len(confident)
    assert after.abstaining.precision == sum(one.label == one.path.parent.name for one in confident) / len(confident)
    assert after.abstaining.precision >= 0.9
    printed = unfreeze("evaluate", run.folder, more, "--min-precision", 0.9)[1]
    assert f"calibration error {after.calibration_error:.1%} (confidence against accuracy; on as many pictures up to" in printed
    assert f"sure enough of {len(confident)} of 300 pictures" in printed


def test_below_the_threshold_there_is_no_name(unfreeze: Command, run: api.Run, pictures: Path, tmp_path: Path) -> None:
    chosen, validation = api.abstention(run, 0.9), predicted(run)["validation"]
    sure = validation.confidences >= chosen.threshold
    assert 0 < chosen.kept < 1
    assert (chosen.kept, chosen.precision) == (sure.mean(), validation.right[sure].mean())
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    files = [pictures / name for name in validation.names] + [tmp_path / "broken.png"]
    named = api.predict(run, files, to=tmp_path / "p.csv", min_precision=0.9)
    assert [one.abstained for one in named] == [*(~sure).tolist(), False]
    assert [one.label is None for one in named] == [*(~sure).tolist(), True]
    assert all(len(one.probabilities) == 2 for one in named[:-1])
    rows = table_rows(tmp_path / "p.csv")
    assert list(rows[0])[:5] == ["path", "predicted", "confidence", "error", "abstained"]
    assert [row["abstained"] for row in rows] == [*("false" if one else "true" for one in sure), ""]
    assert [row["predicted"] for row in rows] == [one.label or "" for one in named]
    unsure = named[int(np.flatnonzero(~sure)[0])]
    status, printed, _ = unfreeze(
        "predict", run.folder, unsure.path, files[int(np.flatnonzero(sure)[0])], "--min-precision", 0.9
    )
    assert status == 0
    assert f"{unsure.path}: unsure (" in printed
    assert f"unsure: below a confidence of {chosen.threshold:.1%}. Of the run's {len(sure)} validation pictures" in printed
    assert f"{chosen.kept:.0%} reach it, and {chosen.precision:.1%} of those are named right" in printed
    printed = unfreeze("predict", run.folder, *files, "--min-precision", 0.9, "--to", tmp_path / "q.csv")[1]
    assert f"{sure.sum()} pictures named, unsure of {(~sure).sum()}:" in printed
    assert (tmp_path / "q.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_what_cannot_be_promised_is_an_error_that_says_what_can(unfreeze: Command, run: api.Run, pictures: Path) -> None:
    status, out, err = unfreeze("predict", run.folder, pictures, "--min-precision", 0.999)
    assert (status, out) == (2, "")
    assert "min_precision: 0.999 can't be promised by" in err
    can = float(err.split("the most is ")[1].split(",")[0])
    assert api.abstention(run, can).precision >= can
    with pytest.raises(RecipeError, match="the most is"):
        api.abstention(run, can + 0.001)
    for wrong in (0, 1, 95):
        assert f"received {wrong}" in unfreeze("evaluate", run.folder, pictures, "--min-precision", wrong)[2]


def test_without_validation_predictions_there_is_no_threshold(run: api.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    header = (tmp_path / "run/predictions.csv").read_text(encoding="utf-8").splitlines()[0]
    (tmp_path / "run/predictions.csv").write_text(header + "\n", encoding="utf-8")
    with pytest.raises(RunError, match="no predictions of validation pictures"):
        api.abstention(tmp_path / "run", 0.9)


def test_a_damaged_calibration_is_an_error(unfreeze: Command, run: api.Run, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run/model/calibration.json").write_text(json.dumps({"temperature": "hot"}), encoding="utf-8")
    status, _, err = unfreeze("predict", tmp_path / "run", pictures / "été/000.png")
    assert status == 2
    assert "calibration.json: isn't a model's calibration" in err
