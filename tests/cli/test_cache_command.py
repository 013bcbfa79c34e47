"""`unfreeze train --cache`, `unfreeze cache`: as typed, on the NumPy backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command import NUMPY, Command
from unfreeze.cache.folder import ACTIVATIONS

EPOCHS = ("--strategy", "feature-extraction", "--head-epochs", 4, "--views", 2)


@pytest.fixture
def filled(unfreeze: Command, photos: Path, tmp_path: Path) -> Path:
    """A cache folder that a training filled."""
    folder = tmp_path / "kept"
    options = (*NUMPY, *EPOCHS, "--set", "cache.use=on", "--cache", folder, "--out", tmp_path / "first")
    status, out, error = unfreeze("train", photos, *options)
    assert status == 0, error
    assert "frozen part computed for" in out
    return folder


def test_a_second_run_computes_nothing_and_learns_the_same(
    unfreeze: Command, photos: Path, filled: Path, tmp_path: Path
) -> None:
    options = (*NUMPY, *EPOCHS, "--cache", filled, "--out", tmp_path / "second")
    status, out, _ = unfreeze("train", photos, *options)
    assert status == 0
    assert "all of it is there already" in out
    assert "frozen part computed" not in out
    assert unfreeze("train", photos, *NUMPY, *EPOCHS, "--cache", "off", "--out", tmp_path / "without")[0] == 0
    names = ("first", "second", "without")
    predicted = [(tmp_path / name / "predictions.csv").read_text(encoding="utf-8") for name in names]
    assert predicted[0] == predicted[1] == predicted[2]


def test_what_is_kept_is_listed_and_cleared(unfreeze: Command, filled: Path) -> None:
    status, out, _ = unfreeze("cache", "list", "--folder", filled)
    assert status == 0
    assert "random views at 16 px in" in out
    assert "pictures at 16 px in" in out
    assert f"in {filled}" in out.replace("\n", "")
    assert "deleted: 0" in unfreeze("cache", "clear", "--folder", filled, "--unused-days", 1)[1]
    assert "deleted: 0" in unfreeze("cache", "clear", "--folder", filled, "--kind", "scans")[1]
    assert "deleted: 2" in unfreeze("cache", "clear", "--folder", filled)[1]
    assert [path for path in (filled / ACTIVATIONS).iterdir() if path.name != ".lock"] == []
    assert unfreeze("cache", "list", "--folder", filled)[1].startswith("nothing is kept in")


def test_an_unknown_kind_is_named(unfreeze: Command, tmp_path: Path) -> None:
    status, _, error = unfreeze("cache", "clear", "--folder", tmp_path, "--kind", "activation")
    assert status == 2
    assert "received 'activation'. Did you mean 'activations'?" in error


@pytest.mark.parametrize(("size", "gigabytes"), [("20GB", 20), ("500 MB", 0.5), ("1.5tb", 1500), ("3", 3)])
def test_sizes_as_people_write_them(unfreeze: Command, photos: Path, tmp_path: Path, size: str, gigabytes: float) -> None:
    out = tmp_path / "run"
    assert unfreeze("train", photos, *NUMPY, *EPOCHS, "--cache-limit", size, "--out", out, "--quiet")[0] == 0
    assert f"limit_gb: {float(gigabytes)}" in (out / "recipe.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("size", ["much", "20XB", "-5GB", "1.2.3GB", "0"])
def test_what_isnt_a_size_is_refused(unfreeze: Command, photos: Path, size: str) -> None:
    status, _, error = unfreeze("plan", photos, *NUMPY, f"--cache-limit={size}")
    assert status == 2
    assert "cache" in error


@pytest.mark.parametrize("cache", ["", "none", "False"])
def test_what_is_neither_a_use_nor_a_folder_is_refused(unfreeze: Command, photos: Path, cache: str) -> None:
    status, _, error = unfreeze("plan", photos, *NUMPY, f"--cache={cache}")
    assert status == 2
    assert "give auto, on, off, or a folder" in error
