"""A run folder, recipe or weights file from somebody else: nothing of it is run, no file of the person's read or written."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from support.command import NUMPY, Command
from support.folders import COLOURS, class_folder, write_picture
from unfreeze import api
from unfreeze.errors import ModelError
from unfreeze.files import write_text
from unfreeze.report.rendering import embedded

_READ = ["plan.yaml", "recipe.yaml", "data.json", "history.jsonl", "metrics.json", "predictions.csv", "findings.json"]
TITLE = "\x1b]0;owned\x07"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with pictures and a run."""
    folder = tmp_path_factory.mktemp("strangers")
    class_folder(folder / "photos", {"cat": 12, "dog": 12})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.BACKENDS, "numpy", ("support.numpy_backend", "none"))
        recipe = {"framework": "numpy", "model": "tiny", "strategy": "feature-extraction", "explain": False}
        api.train(folder / "photos", out=folder / "run", head_only={"epochs": 1}, **recipe)
    yield folder


@pytest.fixture
def theirs(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "run", tmp_path / "theirs")
    return tmp_path / "theirs"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file that no stranger may read or write."""
    path = tmp_path / "mine.txt"
    path.write_text("secret\n")
    return path


def test_links_are_replaced_and_not_written_through(unfreeze: Command, theirs: Path, mine: Path) -> None:
    for name in ("report.html", "report.json", "report.md", "next-recipe.yaml", "improvement.json"):
        (theirs / name).unlink(missing_ok=True)
        (theirs / name).symlink_to(mine)
    assert unfreeze("report", theirs)[0] == 0
    assert unfreeze("improve", theirs, "--dry-run")[0] == 0
    assert mine.read_text() == "secret\n"
    assert not (theirs / "report.html").is_symlink()
    assert not (theirs / "improvement.json").is_symlink()


def test_a_link_under_the_temporary_name_is_not_written_through(theirs: Path, mine: Path) -> None:
    (theirs / f"report.md.{os.getpid()}.tmp").symlink_to(mine)
    write_text(theirs / "report.md", "a report\n")
    assert mine.read_text() == "secret\n"
    assert (theirs / "report.md").read_text() == "a report\n"


@pytest.mark.parametrize(
    "name", ["plan.yaml", "data.json", "history.jsonl", "metrics.json", "predictions.csv", "findings.json"]
)
def test_what_links_lead_to_is_neither_shown_nor_copied(unfreeze: Command, theirs: Path, mine: Path, name: str) -> None:
    (theirs / name).unlink()
    (theirs / name).symlink_to(mine)
    status, out, err = unfreeze("report", theirs)
    written = "".join(path.read_text() for path in theirs.glob("report.*"))
    assert "secret" not in out + err + written
    assert (status == 2) == (name == "plan.yaml")
    assert "outside of the folder" in err + written


def test_a_picture_of_the_run_that_is_a_link_is_not_embedded(theirs: Path, mine: Path) -> None:
    assert embedded(theirs / "curves.png") is not None
    (theirs / "confusion.png").unlink()
    (theirs / "confusion.png").symlink_to(mine)
    assert embedded(theirs / "confusion.png") is None


@pytest.mark.parametrize("how", ["absolute", "upwards", "root"])
def test_pictures_it_names_elsewhere_are_not_embedded(unfreeze: Command, theirs: Path, tmp_path: Path, how: str) -> None:
    """They would have to know the hash of its bytes."""
    private = write_picture(tmp_path / "private" / "me.png", COLOURS[3])
    data: dict[str, Any] = json.loads((theirs / "data.json").read_text())
    name = {"absolute": str(private), "upwards": "../private/me.png", "root": "me.png"}[how]
    data["root"] = str({"absolute": theirs, "upwards": theirs, "root": private.parent}[how])
    for picture in data["pictures"]:
        old, picture["name"] = picture["name"], name
        predictions = (theirs / "predictions.csv").read_text().replace(f"{old},", f"{name},")
        (theirs / "predictions.csv").write_text(predictions)
    (theirs / "data.json").write_text(json.dumps(data))
    assert unfreeze("report", theirs)[0] == 0
    page = (theirs / "report.html").read_text()
    assert "data:image/jpeg" not in page
    assert base64.b64encode(private.read_bytes()[:60]).decode() not in page


def test_names_do_not_drive_the_terminal(unfreeze: Command, theirs: Path) -> None:
    for name in ("plan.yaml", "metrics.json", "findings.json", "data.json", "predictions.csv"):
        path = theirs / name
        quoted = json.dumps(TITLE)[1:-1] if name != "predictions.csv" else TITLE
        if name == "plan.yaml":
            path.write_text(path.read_text().replace("- cat\n", f'- "cat{quoted}"\n').replace(" cat:", f' "cat{quoted}":'))
        else:
            path.write_text(path.read_text().replace("cat", f"cat{quoted}"))
    for command in (("report", theirs), ("diagnose", theirs), ("compare", theirs, theirs), ("improve", theirs, "--dry-run")):
        _, out, err = unfreeze(*command)
        assert "\x1b" not in out + err, command[0]
    _, out, err = unfreeze("predict", theirs / f"no{TITLE}thing", "x.jpg")
    assert "\x1b" not in out + err
    assert "\\x1b" in err


def test_a_recipe_runs_nothing(unfreeze: Command, theirs: Path, trained: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    for tag in ("!!python/object/apply:os.mkdir ['{}']", "!!python/object/new:os.mkdir ['{}']", "!!python/name:os.mkdir"):
        recipe.write_text(f"model: {tag.format(tmp_path / 'made')}\n")
        status, _, err = unfreeze("plan", trained / "photos", *NUMPY, "--recipe", recipe)
        assert (status, (tmp_path / "made").exists()) == (2, False)
        assert "recipe.yaml" in err


class _Mkdir:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def _pickled(value: Any, file: Path) -> None:
    file.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("save", [torch.save, _pickled])
@pytest.mark.parametrize("ending", [".pth", ".bin", ".safetensors"])
def test_a_weights_file_is_not_unpickled(save: Any, ending: str, tmp_path: Path) -> None:
    from unfreeze.backends.torch.networks import open_base

    save({"conv1.weight": _Mkdir(tmp_path / "made")}, tmp_path / f"weights{ending}")
    with pytest.raises(ModelError, match="can't be loaded into test_resnet"):
        open_base("test_resnet", str(tmp_path / f"weights{ending}"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "name", ["hf-hub:stranger/model", "hf_hub:stranger/model", "local-dir:/tmp", "../model", "/etc/passwd"]
)
def test_no_hub_or_path_is_opened_by_a_networks_name(name: str) -> None:
    from unfreeze.backends.torch.networks import known_architecture

    assert not known_architecture(name)
