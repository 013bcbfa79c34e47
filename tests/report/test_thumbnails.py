"""Small pictures within their bytes, what is laid over them, and which pictures of many are shown."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.folders import scene
from support.made_up_run import made_up_dataset, made_up_predictions, with_pictures
from unfreeze.recipe.network import InputContract
from unfreeze.report.gallery import make_gallery
from unfreeze.report.thumbnails import Thumbnails, laid_over
from unfreeze.training.run_folder import Predicted


def pixels_of(url: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,")))) as image:
        return np.asarray(image.convert("RGB"), np.int64)


@pytest.fixture
def scenes(tmp_path: Path) -> dict[str, Path]:
    files = {f"{number}.jpg": tmp_path / f"{number}.jpg" for number in range(5)}
    for number, path in enumerate(files.values()):
        scene(number).save(path)
    return files


def test_small_pictures_show_what_the_file_shows(scenes: dict[str, Path]) -> None:
    small = Thumbnails(scenes).small(scenes)
    assert list(small) == list(scenes)
    for name, path in scenes.items():
        with Image.open(path) as image:
            wanted = np.asarray(image.resize((96, 72)), np.int64)
        assert pixels_of(small[name]).shape == (72, 96, 3)
        # Another way to shrink, and JPEG; two of these scenes differ by 60 and more.
        assert np.abs(pixels_of(small[name]) - wanted).mean() < 10


def test_the_bytes_are_kept_to(scenes: dict[str, Path]) -> None:
    sizes = [len(url) for url in Thumbnails(scenes).small(scenes).values()]
    thumbnails = Thumbnails(scenes, budget=sum(sizes[:3]))
    assert list(thumbnails.small(scenes)) == list(scenes)[:3]
    assert thumbnails.budget == 0
    assert thumbnails.small(["4.jpg"]) == {}
    assert thumbnails.lost == set()


def test_lost_and_changed_pictures_are_counted(scenes: dict[str, Path]) -> None:
    thumbnails = Thumbnails(scenes | {"broken": scenes["0.jpg"].parent}, {"1.jpg": "another hash", "broken": "", "gone": ""})
    assert thumbnails.small(["1.jpg", "broken", "gone", "never a picture"]) == {}
    assert (thumbnails.changed, thumbnails.lost) == ({"1.jpg"}, {"broken", "gone"})


def test_a_picture_as_the_network_gets_it_is_the_middle_of_it(tmp_path: Path) -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :100], pixels[:, 100:200], pixels[:, 200:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    seen, warm = Thumbnails({"a": tmp_path / "a.png"}).as_seen("a", InputContract(side_px=32, crop_fraction=0.9), None)
    assert warm is None
    shown = pixels_of(seen)
    assert shown.shape == (192, 192, 3)
    assert np.abs(shown - (0, 255, 0)).max() < 20


def test_heat_reddens_where_it_is_warm_and_nowhere_else() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[:2, :2] = 1
    grey = np.full((64, 64, 3), 128, np.uint8)
    warm = laid_over(grey, heat)
    assert (warm[40:, 40:] == 128).all()
    red, green, blue = warm[4, 4].astype(int)
    # ColorBrewer's YlOrRd ends in (128, 0, 38), of which 72 % are laid over 28 % of the grey.
    assert (red, green, blue) == pytest.approx((128, 36, 63), abs=1)
    assert (laid_over(grey, np.full((2, 2), np.nan, np.float32)) == 128).all()


def test_every_cell_of_the_confusion_matrix_gets_a_picture_before_any_gets_a_second(tmp_path: Path) -> None:
    dataset = with_pictures(made_up_dataset(tmp_path, ("a", "b", "c"), 20))
    names = tuple(record.name for record in dataset.split("test"))
    labels = np.repeat([0, 1, 2], 20)
    predicted = Predicted(names, labels, np.exp(made_up_predictions(dataset, "test", wrong=0.6)).astype(np.float64))
    cells = {(int(true), int(named)) for true, named in zip(labels, predicted.classes, strict=True)}
    files = dataset.paths
    largest = max(len(url) for url in Thumbnails(files).small(names).values())
    thumbnails = Thumbnails(files, budget=(len(cells) + 1) * largest)
    gallery = make_gallery(predicted, thumbnails)
    assert {(one["true"], one["predicted"]) for one in gallery.figures} == cells
    assert len(gallery.figures) < 2 * len(cells)
    assert sorted([one["name"] for one in gallery.figures] + [line[0] for line in gallery.rest]) == sorted(names)
    assert gallery.unnamed == 0
    for one in gallery.figures:
        place = names.index(one["name"])
        assert one["probability"] == round(float(predicted.confidences[place]), 4)
        assert one["of_true"] == round(float(predicted.probabilities[place, labels[place]]), 4)
    mistakes = [one for one in gallery.figures if one["true"] != one["predicted"]]
    assert gallery.figures[: len(mistakes)] == sorted(mistakes, key=lambda one: -one["probability"])
