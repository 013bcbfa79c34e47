"""TensorBoard's files, read by its own reader."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from support.tracked import ENDINGS, EPOCHS, FINAL, OVERFITS, PHASES, RED, Told

pytest.importorskip("tensorboardX")
pytest.importorskip("tensorboard")
# It has this module where it was built without TensorFlow, which it would otherwise load to read a file.
sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: E402


@pytest.fixture(scope="module")
def folder(told: Told) -> Path:
    return told("tensorboard") / "tensorboard"


@pytest.fixture(scope="module")
def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_every_number_of_every_epoch_is_there(events: EventAccumulator) -> None:
    for name in EPOCHS[1]:
        kept = [(event.step, event.value) for event in events.Scalars(name)]
        assert kept == [(step, pytest.approx(row[name])) for step, row in enumerate(EPOCHS, start=1) if name in row], name


def test_the_final_scores_stand_at_the_best_epoch(events: EventAccumulator) -> None:
    assert {name: (3, pytest.approx(value)) for name, value in FINAL.items()} == {
        name: (event.step, event.value) for name in FINAL for event in events.Scalars(name)
    }
    assert set(events.Tags()["scalars"]) == {*FINAL, *EPOCHS[1]}


def test_phases_endings_and_findings_are_texts(events: EventAccumulator) -> None:
    def texts(name: str) -> list[tuple[int, str]]:
        return [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(f"{name}/text_summary")]

    assert texts("phases") == [(1, PHASES[0]), (3, PHASES[1])]
    assert texts("endings") == [(3, ENDINGS)]
    assert texts("findings") == [(3, f"**overfitting** {OVERFITS}")]


def test_the_pictures_are_shown(events: EventAccumulator) -> None:
    assert events.Tags()["images"] == ["curves"]
    with Image.open(io.BytesIO(events.Images("curves")[0].encoded_image_string)) as picture:
        assert np.asarray(picture).shape == (20, 40, 3)
        assert picture.getpixel((5, 5)) == RED


def test_the_plan_is_in_the_table_of_runs(events: EventAccumulator) -> None:
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    kept = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert kept["network"].string_value == "tiny"
    assert kept["phases.2.rate"].number_value == 5e-4
    assert kept["augment.flip"].bool_value is False
    content = events.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    assert plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info.status != 0
