"""`unfreeze check-inputs`, and what a training finds before it starts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support import numpy_backend
from support.command import NUMPY, Command
from unfreeze import api
from unfreeze.api.preparation import prepare
from unfreeze.inspection.conventions import EXPECTED
from unfreeze.inspection.natural import natural_pictures
from unfreeze.training.arrivals import Arrival


@pytest.fixture
def expecting(monkeypatch: pytest.MonkeyPatch):
    """Gives the backend's network, which takes -1–1, a normalisation that remembers photographs under another convention."""

    def expect(name: str) -> None:
        convention = next(convention for convention in EXPECTED if convention.name == name)
        remembered = convention.applied(natural_pictures(16, 16))

        def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
            values = np.concatenate(list(batches))
            moments = [(pixels.mean((0, 1, 2)), pixels.var((0, 1, 2))) for pixels in (values, remembered)]
            return [Arrival("norm", *moments[0], *moments[1])]

        monkeypatch.setattr(numpy_backend.NumpyBackend, "arrivals", arrivals)

    return expect


def test_status_and_words_say_what_is_the_matter(unfreeze: Command, photos: Path, expecting) -> None:
    expecting("-1-1")
    status, printed, _ = unfreeze("check-inputs", "tiny", photos, *NUMPY[:2])
    assert (status, "fits: values -1 to 1" in printed) == (0, True)
    expecting("imagenet")
    status, printed, _ = unfreeze("check-inputs", "tiny", photos, *NUMPY[:2])
    assert status == 1
    assert "the network expects" in printed
    assert "as the pictures come" in printed
    assert "probably: values -1 to 1 where the network expects ImageNet's mean and std" in printed


def test_json_is_the_finding(unfreeze: Command, photos: Path, expecting) -> None:
    expecting("0-255")
    _, printed, _ = unfreeze("check-inputs", "tiny", photos, *NUMPY[:2], "--json")
    found = json.loads(printed)
    assert (found["code"], found["details"]["mistake"]) == ("inputs-mismatch", "value-range")
    assert found["measured"]["0-255"] < found["measured"]["-1-1"]


def test_without_batchnorm_the_status_is_another(unfreeze: Command, photos: Path) -> None:
    status, printed, _ = unfreeze("check-inputs", "tiny", photos, *NUMPY[:2])
    assert (status, "can't tell: the network has no BatchNorm layer" in printed) == (3, True)


def test_a_run_is_a_model_too(unfreeze: Command, run: Path, photos: Path, expecting) -> None:
    expecting("-1-1")
    assert unfreeze("check-inputs", run, photos)[0] == 0
    assert api.check_inputs(run, photos, pictures=4).code == "inputs-fit"


def test_a_run_is_checked_as_it_was_trained(unfreeze: Command, run: Path, photos: Path) -> None:
    status, _, error = unfreeze("check-inputs", run, photos, "--side", 64, "--weights", "none")
    assert (status, "input.side_px, weights: a run is checked as it was trained" in error) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tinny",), "no network 'tinny'"),
        (("tiny", "--pictures", 0), "pictures: 0 won't do"),
        (("tiny", "--framework", "both"), "check-inputs takes one framework"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(unfreeze: Command, photos: Path, arguments: tuple, words: str) -> None:
    framework = () if "--framework" in arguments else NUMPY[:2]
    status, _, error = unfreeze("check-inputs", arguments[0], photos, *arguments[1:], *framework)
    assert (status, words in error) == (2, True)


def test_pictures_none_of_which_can_be_read(unfreeze: Command, tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"no picture")
    status, _, error = unfreeze("check-inputs", "tiny", tmp_path, *NUMPY[:2])
    assert (status, "none of 1 files can be read" in error) == (2, True)


def test_a_training_about_to_start_is_checked_on_its_pictures(
    photos: Path, numpy_framework: str, expecting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE", str(tmp_path))
    expecting("imagenet")
    job = prepare(photos, None, {"model": "tiny", "framework": numpy_framework}, None)
    (found,) = (finding for finding in job.findings if finding.code == "inputs-mismatch")
    assert found.details["expected"] == "imagenet"
    assert found.explanation in [finding.explanation for finding in job.plan.data.findings]
    (answer,) = (tmp_path / "inputs").iterdir()
    answer.write_text("{")  # damaged: it is asked again
    expecting("-1-1")
    job = prepare(photos, None, {"model": "tiny", "framework": numpy_framework}, None)
    assert [finding.code for finding in job.findings if "inputs" in finding.code] == []


def test_the_same_training_is_asked_once(photos: Path, numpy_framework: str, expecting, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE", str(tmp_path))
    found = {}
    for name in ("imagenet", "0-255"):
        expecting(name)
        job = prepare(photos, None, {"model": "tiny", "framework": numpy_framework}, None)
        found[name] = [finding for finding in job.findings if finding.code == "inputs-mismatch"]
    assert found["0-255"] == found["imagenet"] != []
