"""A folder with every kind of defect planted, inspected as a person does: all are found and located, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from support.command import Command
from support.folders import scene, scene_folder
from unfreeze.inspection.inspection import CODES

COUNTS = {
    **{"train/cat": 60, "train/dog": 12, "train/owl": 4, "train/yak": 12},
    **{"val/cat": 6, "val/dog": 30, "val/owl": 2, "val/yak": 0, "train/void": 0, "test/cat": 0},
}
# They need a network, or another folder: test_inspect.py and test_check_inputs.py here, tests/inspection.
ELSEWHERE = {
    *("disputed-labels", "labels-unknown", "inputs-fit", "inputs-mismatch", "inputs-unknown"),
    *("one-class", "colour-among-grey", "same-scene"),
}
TURNED = 0x0112, 6
Planted = dict[str, set[str]]


def test_every_planted_defect_is_found_and_none_invented(
    unfreeze: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_MAX_PIXELS", str(400_000))
    root = scene_folder(tmp_path / "photos", COUNTS)
    for path in root.rglob("*.jpg"):  # no two of one name: names tell the group
        path.rename(path.with_name("-".join(path.relative_to(root).parts)))
    planted = plant_files(root) | plant_looks(root) | plant_copies(root)
    status, out, err = unfreeze("inspect", root, "--json", "--group-by", r"name:^([^_.]+)", "--fail-on", "error")
    assert (status, err) == (3, "")
    findings = json.loads(out)["findings"]
    found = {
        finding["code"]: {name for group in finding["groups"] for name in group} for finding in findings if finding["groups"]
    }
    assert found == planted
    of_classes = {finding["code"]: set(finding["details"]) for finding in findings if not finding["groups"]}
    assert of_classes == {
        "imbalance": set(),
        "empty-class": {"void"},
        "empty-split": {"test"},
        "few-to-learn": {"owl"},
        "few-to-validate": {"owl"},
        "class-missing-from-split": {"yak"},
        "splits-differ": set(),
        "too-few-to-compare": set(),
    }
    assert {*found, *of_classes} == set(CODES) - ELSEWHERE
    assert len({*found, *of_classes}) >= 25


def test_nothing_is_invented_on_a_clean_folder(unfreeze: Command, tmp_path: Path) -> None:
    root = scene_folder(tmp_path / "photos", {"cat": 20, "dog": 25, "owl": 20})
    status, out, _ = unfreeze("inspect", root, "--json", "--fail-on", "note,warning,error")
    assert (status, json.loads(out)["findings"]) == (0, [])


def plant_files(root: Path) -> Planted:
    """What is wrong with a file, or unusual; `code -> names`."""
    cat, owl = root / "train" / "cat", root / "train" / "owl"
    (root / "read me.txt").write_text("beside the splits")
    (cat / "nothing.jpg").write_bytes(b"")
    (cat / "words.png").write_bytes(b"no picture")
    (cat / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (cat / "more").symlink_to(root / "val" / "cat", target_is_directory=True)
    scene(900).save(cat / "cut.jpg", quality=90)
    (cat / "cut.jpg").write_bytes((cat / "cut.jpg").read_bytes()[:-900])
    scene(901).save(cat / "flipped.png")
    content = bytearray((cat / "flipped.png").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (cat / "flipped.png").write_bytes(content)
    scene(902, (900, 600)).save(cat / "huge.jpg")
    scene(903).save(cat / "other.jpg", "PNG")
    frames = [scene(seed, (240, 240)) for seed in (904, 905)]
    frames[0].save(cat / "moving.gif", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[TURNED[0]] = TURNED[1]
    scene(906).save(owl / "turned.jpg", quality=90, exif=exif)
    scene(907, (90, 100)).save(cat / "small.png")
    scene(908, (600, 150)).save(cat / "long.png")
    scene(909).convert("CMYK").save(cat / "print.jpg", quality=95)
    Image.fromarray(np.asarray(scene(910).convert("L"), np.uint16) * 257).save(cat / "deep.png")
    scene(911).convert("P").save(cat / "palette.png")
    Image.merge("RGBA", (*scene(912).split(), Image.linear_gradient("L").resize((320, 240)))).save(cat / "through.png")
    scene(913).convert("L").save(cat / "grey.jpg", quality=90)
    return {
        "unused-file": {"read me.txt"},
        "empty-file": {"train/cat/nothing.jpg"},
        "not-a-picture": {"train/cat/words.png"},
        "unreadable": {"train/cat/gone.jpg"},
        "linked-folder": {"train/cat/more"},
        "truncated": {"train/cat/cut.jpg"},
        "damaged": {"train/cat/flipped.png"},
        "too-large": {"train/cat/huge.jpg"},
        "wrong-extension": {"train/cat/other.jpg"},
        "animated": {"train/cat/moving.gif"},
        "exif-turned": {"train/owl/turned.jpg"},
        "tiny": {"train/cat/small.png"},
        "extreme-aspect": {"train/cat/long.png"},
        "cmyk": {"train/cat/print.jpg"},
        "high-bit-depth": {"train/cat/deep.png"},
        "palette": {"train/cat/palette.png"},
        "transparency": {"train/cat/through.png"},
        "grey-among-colour": {"train/cat/deep.png", "train/cat/grey.jpg"},
    }


def plant_looks(root: Path) -> Planted:
    """Pictures that nobody could name."""
    dog = root / "train" / "dog"
    scene(920).point(lambda level: level * 0.25).save(dog / "night.png")
    scene(921).point(lambda level: 245 + level * 0.04).save(dog / "snow.png")
    scene(922).point(lambda level: 120 + level * 0.06).save(dog / "fog.png")
    scene(923).filter(ImageFilter.GaussianBlur(4)).save(dog / "shaken.png")
    return {
        "dark": {"train/dog/night.png"},
        "bright": {"train/dog/snow.png"},
        "low-information": {"train/dog/snow.png", "train/dog/fog.png"},
        "blurry": {"train/dog/shaken.png"},
    }


def plant_copies(root: Path) -> Planted:
    """The same picture twice, in other sizes, crops and brightness; and one patient in two splits."""
    train, val = root / "train", root / "val"
    scene(0).resize((240, 180)).save(val / "cat" / "again.jpg", quality=60)
    ImageEnhance.Brightness(Image.open(train / "cat" / "train-cat-001.jpg")).enhance(1.2).save(
        train / "yak" / "conflict.jpg", quality=90
    )
    (train / "cat" / "same.jpg").write_bytes((train / "cat" / "train-cat-002.jpg").read_bytes())
    scene(3).crop((6, 4, 316, 238)).save(train / "cat" / "cropped.webp", quality=80)
    scene(930).save(train / "dog" / "p7_left.jpg", quality=90)
    scene(931).save(val / "dog" / "p7_right.jpg", quality=90)
    return {
        "leakage": {"train/cat/train-cat-000.jpg", "val/cat/again.jpg"},
        "label-conflict": {"train/cat/train-cat-001.jpg", "train/yak/conflict.jpg"},
        "duplicates": {
            "train/cat/train-cat-002.jpg",
            "train/cat/same.jpg",
            "train/cat/train-cat-003.jpg",
            "train/cat/cropped.webp",
        },
        "group-leakage": {"train/dog/p7_left.jpg", "val/dog/p7_right.jpg"},
    }
