"""Trackers that have been told a whole training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from support.tracked import HISTORY, PLAN, RED, Told, result
from unfreeze.trackers.watcher import open_trackers
from unfreeze.training.watcher import Silent


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Tells a tracker a whole training; gives the run's folder."""

    def tell(name: str) -> Path:
        folder = tmp_path_factory.mktemp("told") / "a run"
        folder.mkdir()
        Image.new("RGB", (40, 20), RED).save(folder / "curves.png")
        (folder / "plan.yaml").write_text("seed: 0\n")
        with open_trackers([name], folder, PLAN, Silent()) as trackers:
            for record in HISTORY:
                if record.epoch in (1, 3):
                    trackers.phase_started(record.phase, PLAN.phases[record.phase - 1], 7)
                trackers.epoch_done(record)
            trackers.finished(result(folder))
        return folder

    return tell


@pytest.fixture(scope="module", autouse=True)
def _nobody_is_known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable, key or server of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
            patch.delenv(name)
        patch.setenv("NETRC", str(tmp_path_factory.mktemp("home") / "netrc"))
        yield
