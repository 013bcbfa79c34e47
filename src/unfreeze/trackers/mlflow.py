"""MLflow: a run on the server of `MLFLOW_TRACKING_URI`, or in a database of its own in the folder `mlruns` of the run.

To look at the latter: `mlflow ui --backend-store-uri sqlite:///RUN/mlruns/mlflow.db`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

# What MLflow's package without a server leaves out, and a database takes.
import alembic  # noqa: F401
import mlflow
import sqlalchemy  # noqa: F401
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from unfreeze.files import make_folder
from unfreeze.recipe.plan import Phase, Plan
from unfreeze.trackers.facts import decodable, endings_in_words, final_numbers, found, parameters, phase_in_words
from unfreeze.trackers.tracker import FILES, PICTURES, Result, Status

FOLDER, DATABASE, ARTIFACTS = "mlruns", "mlflow.db", "artifacts"
EXPERIMENT = "unfreeze"
# Its own would keep a training waiting for a quarter of an hour where a server doesn't answer; and it counts its users.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


def open_tracker(folder: Path, plan: Plan) -> MLflow:
    """Begins a run of the folder's name, in the experiment of `MLFLOW_EXPERIMENT_NAME` or else in `unfreeze`."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells how it makes its tables
    return MLflow(folder, plan)


class MLflow:
    """One run, by way of the client: nothing is set that a script with an MLflow run of its own would notice."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        artifacts = None
        if mlflow.is_tracking_uri_set():
            self._client = MlflowClient()
        else:
            place = folder.resolve() / FOLDER
            make_folder(place)
            self._client = MlflowClient(f"sqlite:///{(place / DATABASE).as_posix()}")
            artifacts = (place / ARTIFACTS).as_uri()
        self._run: str = self._client.create_run(self._experiment(artifacts), run_name=decodable(folder.name)).info.run_id
        listed = [Param(name, str(value)) for name, value in parameters(plan).items()]
        self._client.log_batch(self._run, params=listed)

    def phase_started(self, number: int, phase: Phase, epoch: int) -> None:
        self._client.set_tag(self._run, f"phase.{number}", f"{phase_in_words(number, phase)}, from epoch {epoch}")

    def epoch_done(self, epoch: int, numbers: Mapping[str, float]) -> None:
        moment = int(1000 * time.time())
        self._client.log_batch(self._run, metrics=[Metric(name, value, moment, epoch) for name, value in numbers.items()])

    def finished(self, result: Result) -> None:
        self.epoch_done(result.best_epoch or 0, final_numbers(result))
        findings = found(result.findings)
        tags = {"findings": ", ".join(findings) or "nothing found", **{f"finding.{code}": findings[code] for code in findings}}
        note = "\n\n".join([endings_in_words(result.endings), *(f"**{code}** {words}" for code, words in findings.items())])
        self._client.log_batch(
            self._run, tags=[RunTag(name, text) for name, text in (tags | {"mlflow.note.content": note}).items()]
        )
        for name in (*PICTURES, *FILES):
            if (result.folder / name).is_file():
                self._client.log_artifact(self._run, str(result.folder / name))

    def close(self, status: Status) -> None:
        self._client.set_terminated(self._run, _STATUS[status])

    def _experiment(self, artifacts: str | None) -> str:
        if "MLFLOW_EXPERIMENT_ID" in os.environ:
            return os.environ["MLFLOW_EXPERIMENT_ID"]
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known else self._client.create_experiment(name, artifacts))
