"""MLflow's database, read by its own client; and a server that doesn't answer."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from support.made_up import epoch_record, small_plan
from support.tracked import ENDINGS, EPOCHS, FINAL, OVERFITS, PHASES, Told
from unfreeze.trackers.watcher import open_trackers
from unfreeze.training.watcher import Silent

mlflow = pytest.importorskip("mlflow")
pytest.importorskip("alembic")

from mlflow.entities import Run  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402


@pytest.fixture(scope="module")
def folder(told: Told) -> Path:
    return told("mlflow")


@pytest.fixture(scope="module")
def client(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")


@pytest.fixture(scope="module")
def run(client: MlflowClient) -> Run:
    experiment = client.get_experiment_by_name("unfreeze")
    runs: list[Run] = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1
    return runs[0]


def test_every_number_of_every_epoch_is_there(client: MlflowClient, run: Run) -> None:
    for name in EPOCHS[1]:
        kept = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert kept == [(step, row[name]) for step, row in enumerate(EPOCHS, start=1) if name in row], name


def test_the_final_scores_and_the_plan_are_there(run: Run) -> None:
    assert {name: value for name, value in run.data.metrics.items() if name not in EPOCHS[1]} == FINAL
    assert run.data.params["network"] == "tiny"
    assert run.data.params["phases.2.rate"] == "0.0005"
    assert run.data.params["head.hidden"] == "16"
    assert (run.info.run_name, run.info.status) == ("a run", "FINISHED")


def test_phases_endings_and_findings_are_tags(run: Run) -> None:
    tags = {name: value for name, value in run.data.tags.items() if name.startswith(("phase", "finding"))}
    assert tags == {
        "phase.1": f"{PHASES[0]}, from epoch 1",
        "phase.2": f"{PHASES[1]}, from epoch 3",
        "findings": "overfitting",
        "finding.overfitting": OVERFITS,
    }
    assert run.data.tags["mlflow.note.content"] == f"{ENDINGS}\n\n**overfitting** {OVERFITS}"


def test_what_there_is_of_the_run_folder_is_kept(client: MlflowClient, run: Run, folder: Path, tmp_path: Path) -> None:
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["curves.png", "plan.yaml"]
    kept = Path(client.download_artifacts(run.info.run_id, "curves.png", str(tmp_path)))
    assert kept.read_bytes() == (folder / "curves.png").read_bytes()


def test_a_server_that_does_not_answer_is_said_once_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:  # bound and not listening: refused at once
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        plan = small_plan()
        with caplog.at_level(logging.WARNING), open_trackers(["mlflow"], tmp_path, plan, Silent()) as trackers:
            trackers.phase_started(1, plan.phases[0], 7)
            trackers.epoch_done(epoch_record())
    said = [record.getMessage() for record in caplog.records if record.name.startswith("unfreeze")]
    assert len(said) == 1
    assert said[0].startswith("note: mlflow is told nothing more of this training, which goes on (MlflowException: ")
    assert not list(tmp_path.iterdir())
