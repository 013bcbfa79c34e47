"""The commands as functions: the one place that wires the parts. One file per job."""

from unfreeze.api.abstentions import abstention
from unfreeze.api.caches import Cleared, clear_cache, list_cache
from unfreeze.api.catalogue import describe_model, models
from unfreeze.api.comparisons import compare
from unfreeze.api.conversions import Conversion, convert
from unfreeze.api.diagnoses import diagnose, is_run
from unfreeze.api.evaluations import Abstaining, Evaluation, evaluate
from unfreeze.api.found_rates import find_rate
from unfreeze.api.frameworks import BACKENDS
from unfreeze.api.improvements import Improvement, improve
from unfreeze.api.inputs import check_inputs
from unfreeze.api.inspections import inspect
from unfreeze.api.plans import plan
from unfreeze.api.predictions import Prediction, predict
from unfreeze.api.reports import write_report
from unfreeze.api.resuming import is_finished, resume
from unfreeze.api.runs import Run, open_run
from unfreeze.api.trainings import train
from unfreeze.api.tuned import Trial, Tuning
from unfreeze.api.tuning import tune
from unfreeze.diagnosis.foreign.table import Table, read_table
from unfreeze.report.comparison.comparison import Comparison
from unfreeze.report.plan_chart import draw_plan

__all__ = [
    "BACKENDS",
    "Abstaining",
    "Cleared",
    "Comparison",
    "Conversion",
    "Evaluation",
    "Improvement",
    "Prediction",
    "Run",
    "Table",
    "Trial",
    "Tuning",
    "abstention",
    "check_inputs",
    "clear_cache",
    "compare",
    "convert",
    "describe_model",
    "diagnose",
    "draw_plan",
    "evaluate",
    "find_rate",
    "improve",
    "inspect",
    "is_finished",
    "is_run",
    "list_cache",
    "models",
    "open_run",
    "plan",
    "predict",
    "read_table",
    "resume",
    "train",
    "tune",
    "write_report",
]
