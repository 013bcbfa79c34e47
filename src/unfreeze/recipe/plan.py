"""The plan: a recipe with every value resolved against one dataset and one network. Shown before training; never `auto`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unfreeze.recipe.network import Network
from unfreeze.recipe.recipe import Augment, Head, Schedule, Section, Stopping, StrategyName, Watched

Precision = Literal["float32", "bfloat16"]


class PlannedOptimizer(Section):
    """An optimiser with its decay resolved; see `recipe.Optimizer` for the meaning of each value."""

    name: Literal["adamw", "adam", "sgd"]
    momentum: float
    weight_decay: float
    l2: float
    l2_sp: float = 0.0
    clip_norm: float | None


class Phase(Section):
    """A stretch of epochs with one boundary, one optimiser, one schedule and one stopping rule.

    Attributes:
        name: what it does, in words.
        boundary: the first stage, or layer, that trains: all before it is the frozen prefix.
        rate: the learning rate at the start of the phase.
        rate_factors: what each stage that trains multiplies it by; a stage that isn't named takes it as it is.
        joining: stages that begin to train here while others go on; their rate rises to its own from near zero over
            `joining_epochs`.
        start: with which weights it begins: the `best` so far, or those that the `first` phase ended with.
        batchnorm: whether the statistics of BatchNorm layers in the trainable stages stay or follow the batches.
        trainable_parameters, frozen_parameters: how many numbers train and how many stay as they are.
    """

    name: str
    boundary: str
    epochs: int
    rate: float
    optimizer: PlannedOptimizer
    schedule: Schedule
    stopping: Stopping
    batchnorm: Literal["frozen", "update"]
    trainable_parameters: int
    frozen_parameters: int
    rate_factors: dict[str, float] = Field(default_factory=dict)
    joining: tuple[str, ...] = ()
    joining_epochs: float = 0.0
    start: Literal["best", "first"] = "best"


class PhaseCache(Section):
    """What a phase keeps of its activations, and what that is estimated to save.

    Attributes:
        boundary: the phase's.
        training, validation: whether the activations of training and of validation pictures are kept.
        rows: how many activations are kept, one for each view of a picture.
        missing: how many of them aren't there yet.
        row_bytes: the size of one.
        seconds_without, seconds_with: for all epochs of the phase, nothing kept and as planned, from measured speeds.
        reason: why, in words.

    What wasn't looked at, because nothing depended on it, is None.
    """

    boundary: str
    training: bool
    validation: bool
    rows: int | None = None
    missing: int | None = None
    row_bytes: int | None = None
    seconds_without: float | None = None
    seconds_with: float | None = None
    reason: str


class Evidence(Section):
    """One step of the strategy `auto`: what was looked at or trained, what came of it, and what was decided.

    Attributes:
        step: in words.
        boundary: the first stage that trains; of a probe, the stage whose inputs were looked at.
        trainable_parameters: how many numbers train; 0 for a probe.
        score: accuracy in 0–1, of a probe by cross-validation on training pictures, else on validation pictures.
        interval: of the score, 95 %.
        watched: the value by which steps are held against each other, as the plan's `watch` names it.
        logme: of a probe; see `search.logme`.
        estimated_seconds, seconds: what it was expected to take, and took.
        decision: what was decided after it.
        reason: why, in words.

    What isn't known, because the step wasn't taken or has no such value, is None.
    """

    step: str
    boundary: str
    trainable_parameters: int = 0
    score: float | None = None
    interval: tuple[float, float] | None = None
    watched: float | None = None
    logme: float | None = None
    estimated_seconds: float | None = None
    seconds: float | None = None
    decision: str
    reason: str


class FoundInData(Section):
    """What was found in the pictures before training; the run's data.json says in which, and what to do."""

    code: str
    severity: Literal["note", "warning", "error"]
    explanation: str


class PlannedData(Section):
    """The dataset as the plan saw it.

    Attributes:
        root: the folder or manifest, as given.
        fingerprint: of all labels, splits and contents; changes when any of them does.
        classes: in the order of the network's outputs.
        counts: split -> class -> pictures.
        left_out: file -> why it was found and not used.
        decisions: what was decided about this data, in words.
        findings: what was found in it.
    """

    root: str
    fingerprint: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    left_out: dict[str, str]
    decisions: tuple[str, ...]
    findings: tuple[FoundInData, ...] = ()


class Plan(Section):
    """Everything a run will do.

    Attributes:
        budget: of a search: the most that its steps may take; as the recipe's.
        network: with its input contract at the planned size, and the stages with the head.
        class_weights: weight of each class in the loss, or None.
        focal_gamma: of the focal loss; 0 is plain cross-entropy.
        deterministic: whether the framework's deterministic operations are used; as the recipe's.
        logit_offsets: what is added to each class's logit in training, and not in predictions; or None.
        repeats: how often a picture of each class comes in an epoch, on the mean; None without oversampling.
        pictures_per_epoch: how many pictures one training epoch shows, repeats counted.
        accumulate: batches in a step.
        steps_per_epoch: steps in a training epoch.
        cache: for each phase, what it takes from the activation cache.
        evidence: of the strategy `auto`: the steps taken and left out, in their order.
        memory: bytes that the process is expected to hold at its peak; None on a GPU, or where that isn't known.
        environment: versions of what takes part, and the machine in words.
        remarks: what a reader should know before it starts, for example that the weights are random.
    """

    strategy: StrategyName
    budget: str | None = None
    seed: int
    device: str
    precision: Precision
    deterministic: bool = False
    head: Head
    data: PlannedData
    batch_size: int
    loader_threads: int
    augment: Augment
    watch: Watched
    label_smoothing: float
    stochastic_depth: float = 0.0
    ema: float | None = None
    calibrate: bool = False  # plans of older runs don't say: their probabilities are the network's own
    class_weights: dict[str, float] | None
    focal_gamma: float = 0.0
    logit_offsets: dict[str, float] | None = None
    oversample: bool
    repeats: dict[str, float] | None = None
    pictures_per_epoch: int
    accumulate: int = 1
    steps_per_epoch: int
    phases: tuple[Phase, ...]
    cache: tuple[PhaseCache, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    memory: int | None = None
    environment: dict[str, str]
    remarks: tuple[str, ...] = ()
    network: Network  # last, because its list of layers is long

    @property
    def is_search(self) -> bool:
        """Whether it is decided on the way which of its phases are trained."""
        return self.strategy == "auto" and len(self.phases) > 1

    @property
    def epochs(self) -> int:
        """The most epochs the plan can take, all phases together."""
        return sum(phase.epochs for phase in self.phases)
