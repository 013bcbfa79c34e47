"""The recipe: what the person asked for. Frozen and validated; may say `auto`, which the plan then resolves."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from unfreeze.recipe.grouping import read_grouping
from unfreeze.recipe.times import read_seconds

StrategyName = Literal["feature-extraction", "fine-tune-top", "full", "gradual", "auto"]
ClassWeights = Literal["none", "balanced", "inverse-sqrt", "effective"]
Watched = Literal["val_loss", "val_accuracy", "val_balanced_accuracy", "val_macro_f1"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
# What `factor` is by default is meant for a few steps; in every epoch it would end the training after three.
_LEAST_FACTOR_AN_EPOCH = 0.2


class Section(BaseModel):
    """A part of a recipe: unknown keys and numbers that aren't finite are refused, nothing changes after validation."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Data(Section):
    """Which pictures to use and how to split them where the folder isn't split already.

    Attributes:
        validation_fraction, test_fraction: of each class, in [0, 1); used for the splits the folder doesn't give.
        resplit: put the folder's own splits together and make new ones, in which copies of a picture stay together. The test
            pictures are then others than before.
        classes: use these classes only, in this order; None uses every class.
        group_by: which pictures belong to one patient, camera or session and stay in one split: `folder:1` (the first folder
            below the class), `name:EXPRESSION` (a regular expression's first group in the file's name) or `column:NAME` (of a
            CSV file); see `grouping`.
        inspect: what is looked for before training, as `unfreeze inspect` does: `quick` in counts, splits, files, duplicates,
            and in how pictures reach the network; `full` also in how each picture looks, and labels that the frozen network's
            features dispute, which takes seconds a thousand pictures the first time; `none` nothing.
    """

    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test_fraction: Fraction = 0.15
    resplit: bool = False
    classes: tuple[str, ...] | None = None
    group_by: str | None = None
    inspect: Literal["quick", "full", "none"] = "quick"

    @field_validator("group_by")
    @classmethod
    def _can_be_followed(cls, group_by: str | None) -> str | None:
        if group_by is not None:
            read_grouping(group_by)
        return group_by

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Data:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction and test_fraction leave nothing to train on: make their sum less than 1")
        return self

    @model_validator(mode="after")
    def _tell_classes_apart(self) -> Data:
        # A class given twice would become two outputs of the network.
        if self.classes is not None and (len(self.classes) < 2 or len(set(self.classes)) < len(self.classes)):
            raise ValueError(f"classes: {list(self.classes)} won't do: give at least two classes, each of them once")
        return self


class Input(Section):
    """How pictures reach the network.

    Attributes:
        side_px: height and width of the input; `auto` is what the checkpoint was made for.
        batch_size: pictures computed together; `auto` is 32, or fewer where the training set is small.
        accumulate: batches whose gradients make one step, which is then the step of one batch so many times as large, but for
            BatchNorm statistics that follow the batches.
        loader_threads: threads that decode; `auto` is one per processor core, at most 16.
    """

    side_px: Annotated[int, Field(ge=8, le=4096)] | Literal["auto"] = "auto"
    batch_size: Annotated[int, Field(ge=2, le=65536)] | Literal["auto"] = "auto"
    accumulate: Annotated[int, Field(ge=1, le=65536)] = 1
    loader_threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"


class Augment(Section):
    """Random changes to training pictures; each has an off value. Validation and test pictures are never changed.

    Attributes:
        crop_min_area: random resized crop of at least this part of the picture's area; 1 turns it off (then the whole
            picture is prepared as in evaluation).
        flip: mirror left to right, half of the time.
        rotation_degrees: rotate by up to this angle either way; 0 turns it off.
        jitter: brightness, contrast and colour scaled by a factor in 1 ± jitter; 0 turns it off.
        trivial: TrivialAugment (Müller & Hutter 2021): after the changes above one more, drawn anew for each view from a fixed
            list, at a random strength.
        erasing: the part of the views in which a random rectangle is erased (Zhong et al. 2020), in [0, 1].
        mixup: each view is blended with a view of another picture, in parts drawn from Beta(mixup, mixup), and so is the
            target (Zhang et al. 2018); 0 turns it off, 0.2 is usual.
        cutmix: a rectangle of each view is another picture's, its area drawn from Beta(cutmix, cutmix), and the target is in
            proportion (Yun et al. 2019); 0 turns it off, 1 is usual. With both, each view takes one of them, half and half.
        views: how many random views of a picture there are: epochs take them in turn, and the activation cache keeps them.
            None draws a new one in every epoch; `auto` is half as many as epochs, at least 8.
        seed: fixes the views, apart from the recipe's `seed`, so that runs of different seeds share what is cached.
    """

    crop_min_area: Annotated[float, Field(gt=0, le=1)] = 0.35
    flip: bool = True
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 10.0
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.2
    trivial: bool = False
    erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=10)] = 0.0
    views: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Head(Section):
    """The new output layer: global average pooling, then [dense, ReLU, dropout] per hidden layer, dropout, dense to K.

    Attributes:
        hidden: the units of each hidden dense layer; none by default.
        dropout: the part of the values dropped before each dense layer's successor (0.3–0.5 is usual), in [0, 1).
    """

    hidden: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = ()
    dropout: Fraction = 0.3


class Schedule(Section):
    """How the rate changes within a phase; see `training.schedules`.

    Attributes:
        name: `constant`; `step` multiplies by `factor` every `step_epochs`; `multi-step` multiplies by `factor` at each of
            `milestones`; `exponential` multiplies by `factor` in every epoch, smoothly; `cosine` falls to `floor` × rate at the
            end of the phase; `cosine-restarts` falls so within `restart_epochs` and starts again, each time for
            `restart_growth` times as long; `one-cycle` rises from rate / `start_divisor` to the rate within the first `rise` of
            the phase and falls to rate / (`start_divisor` × `end_divisor`) in the rest; `plateau` multiplies by `factor` when
            the watched value has not improved for `patience_epochs`.
        warmup_epochs: the rate rises linearly from near zero over this many epochs, before any of them, which count from its
            end.
        milestones: in epochs, each later than the one before.
        floor: the lowest rate, as a part of the phase's rate (for `cosine`, `cosine-restarts` and `plateau`).
    """

    name: Literal[
        "constant", "step", "multi-step", "exponential", "cosine", "cosine-restarts", "one-cycle", "plateau"
    ] = "cosine"  # fmt: skip
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.5
    step_epochs: Annotated[int, Field(ge=1)] = 5
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience_epochs: Annotated[int, Field(ge=1)] = 2
    floor: Fraction = 0.0
    restart_epochs: Annotated[int, Field(ge=1)] = 5
    restart_growth: Annotated[int, Field(ge=1)] = 1
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start_divisor: Annotated[float, Field(ge=1)] = 25.0
    end_divisor: Annotated[float, Field(ge=1)] = 1e4

    @model_validator(mode="after")
    def _milestones_rise(self) -> Schedule:
        if self.name == "multi-step" and not self.milestones:
            raise ValueError("multi-step without milestones is constant: give the epochs, as milestones: [3, 6]")
        if any(later <= earlier for earlier, later in pairwise(self.milestones)):
            raise ValueError(f"milestones: {list(self.milestones)} won't do: give each of them once, the earliest first")
        return self

    @model_validator(mode="after")
    def _exponential_leaves_something(self) -> Schedule:
        if self.name == "exponential" and self.factor < _LEAST_FACTOR_AN_EPOCH:
            raise ValueError(
                f"factor: {self.factor:g} in every epoch, as exponential has it, leaves {self.factor**5:.0e} of the rate after"
                " 5: give more, 0.9 is usual"
            )
        return self


class Stopping(Section):
    """When a phase ends before its last epoch.

    Attributes:
        patience_epochs: stop after this many epochs without improvement; None never stops early.
        min_delta: an improvement smaller than this doesn't count.
    """

    patience_epochs: Annotated[int, Field(ge=1)] | None = 5
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class Optimizer(Section):
    """The optimiser of a phase.

    Attributes:
        name: `adamw`, `adam` or `sgd`.
        momentum: for `sgd`.
        weight_decay: decoupled decay per step as a part of the rate (Loshchilov & Hutter 2019), for `adamw` only; `auto` is
            0.02 with `adamw` and 0 with the others.
        l2: adds `l2 / 2 · ‖w‖²` to the loss, so `l2 · w` to the gradient; for `adam` and `sgd`. Keras writes the same
            penalty as `regularizers.L2(l2 / 2)`.
        l2_sp: pulls the base's weights towards their pretrained values instead of towards 0, which the decay above is for the
            head then (L2-SP, Li et al. 2018): `l2_sp · (w - w₀)` joins the gradient, with `adamw` the decoupled decay.
        clip_norm: gradients are scaled down to this norm; None turns it off.

    No decay touches biases and normalisation layers.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: Fraction = 0.9
    weight_decay: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    l2: Annotated[float, Field(ge=0)] = 0.0
    l2_sp: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0

    @model_validator(mode="after")
    def _decay_of_the_right_kind(self) -> Optimizer:
        if self.weight_decay not in ("auto", 0) and self.name != "adamw":
            raise ValueError(
                f"weight_decay is decoupled decay, which {self.name} hasn't: use name: adamw, or l2 for a true L2 penalty"
            )
        if self.l2 and self.name == "adamw":
            raise ValueError("l2 is a penalty in the loss, which adamw replaces: use weight_decay, or name: adam or sgd")
        return self


class PhaseSettings(Section):
    """How long and how fast one kind of phase trains.

    `rate` is the learning rate at the start, per step; `auto` is found by a range test before training, see
    `training.range_test`.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    rate: Rate | Literal["auto"]
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    stopping: Stopping = Stopping()

    @model_validator(mode="after")
    def _warm_up_ends(self) -> PhaseSettings:
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs: {self.schedule.warmup_epochs:g} leaves nothing of {self.epochs} epochs: give less"
            )
        return self


class HeadOnly(PhaseSettings):
    """The phase with the whole base frozen."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 5
    rate: Rate | Literal["auto"] = 3e-3

    @model_validator(mode="after")
    def _nothing_to_pull(self) -> HeadOnly:
        if self.optimizer.l2_sp:
            raise ValueError(
                f"optimizer.l2_sp: {self.optimizer.l2_sp:g} pulls the base's weights, which don't train here: give it under"
                " unfrozen"
            )
        return self


class Unfrozen(PhaseSettings):
    """The phase, or each of the phases, in which stages of the base train."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 10
    rate: Rate | Literal["auto"] = 5e-4


class Unfreeze(Section):
    """How much of the base trains.

    Attributes:
        stages: `fine-tune-top` trains the last so many stages; `gradual` goes down to there, one at a time, and `auto` goes no
            deeper.
        layers: `fine-tune-top` trains the last so many convolutions and dense layers instead.
        when: `gradual` goes a step down when validation has `stall`ed, by the stopping rule of `unfrozen`, or after all its
            `epochs`, whatever validation says.
        rate_factor: `gradual` multiplies the rate by this at each step down.
        stage_rate_factor: each stage has the rate of the one above it times this (discriminative rates, Howard & Ruder 2018);
            1 gives all the same.
        batchnorm: `frozen` keeps the statistics of BatchNorm layers in unfrozen stages as pretrained, while their scale and
            shift train; `update` lets the statistics follow the batches; `auto` is `frozen`, or `update` where the weights
            are random and there are no statistics to keep. The batch size doesn't change it: docs/decisions/0017-batchnorm.md.
    """

    stages: Annotated[int, Field(ge=1)] | None = None
    layers: Annotated[int, Field(ge=1)] | None = None
    when: Literal["stall", "epochs"] = "stall"
    rate_factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    stage_rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    batchnorm: Literal["frozen", "update", "auto"] = "auto"

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Unfreeze:
        if self.stages is not None and self.layers is not None:
            raise ValueError(f"stages: {self.stages} and layers: {self.layers} say the same thing twice: give one of them")
        return self


class Imbalance(Section):
    """What is done about unequal classes.

    Class weights, oversampling and logit adjustment each make up for rare classes; no two of them are taken together. The focal
    loss, which makes up for easy pictures, goes with weights and with oversampling.

    Attributes:
        class_weights: `none`; `balanced`, `inverse-sqrt` and `effective` weigh a class by its number of training pictures, see
            `data.balance.class_weights`; or a weight for each class by name. The loss of a batch is Σ w·ℓ / Σ w (PyTorch's
            convention), so weights change emphasis and not the size of the loss.
        beta: β of `effective` (Cui et al. 2019), in [0, 1): 0 weighs all alike, near 1 it is `balanced`. In the paper β is
            (N - 1) / N, N the number of different pictures that a class could have, which nobody knows, so it is searched for
            among 0.9 … 0.9999; 0.999 is what it takes for ImageNet and iNaturalist.
        oversample: repeat the pictures of rare classes until every class is as large as the largest.
        loss: `cross-entropy`; `focal` (Lin et al. 2017) gives less weight to pictures that are named right with confidence;
            `logit-adjusted` (Menon et al. 2021) adds tau · log of its part of the training pictures to each class's logit while
            training, so that the logits themselves, by which pictures are named, take every class as equally frequent.
        gamma: of `focal`; 0 would be cross-entropy, 2 is the paper's.
        tau: of `logit-adjusted`; 1, the paper's, is for the best mean recall.
    """

    class_weights: ClassWeights | dict[str, Annotated[float, Field(gt=0)]] = "none"
    beta: Fraction = 0.999
    oversample: bool = False
    loss: Literal["cross-entropy", "focal", "logit-adjusted"] = "cross-entropy"
    gamma: Annotated[float, Field(gt=0, le=10)] = 2.0
    tau: Annotated[float, Field(gt=0, le=10)] = 1.0

    @model_validator(mode="after")
    def _not_twice(self) -> Imbalance:
        asked = {
            "class_weights": self.class_weights != "none",
            "oversample": self.oversample,
            "loss: logit-adjusted": self.loss == "logit-adjusted",
        }
        given = [name for name, is_asked in asked.items() if is_asked]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} each make up for rare classes, together they do it more than once: choose one"
            )
        return self

    @model_validator(mode="after")
    def _not_for_nothing(self) -> Imbalance:
        uses = {
            "beta": ("class_weights: effective", self.class_weights == "effective"),
            "gamma": ("loss: focal", self.loss == "focal"),
            "tau": ("loss: logit-adjusted", self.loss == "logit-adjusted"),
        }
        for name, (user, is_used) in uses.items():
            value = getattr(self, name)
            if not is_used and value != type(self).model_fields[name].default:
                raise ValueError(f"{name}: {value:g} has no effect without {user}: give both, or neither")
        return self


class Cache(Section):
    """The activation cache: what the frozen part gives for a picture is kept and not computed again. Changes nothing but time.

    Attributes:
        use: `auto` caches where it is estimated to save time; `on` wherever there is a frozen part; `off` never.
        folder: where; None is the person's cache folder.
        limit_gb: the most the folder may hold, in 10⁹ bytes; what was used least recently leaves first.
    """

    use: Literal["auto", "on", "off"] = "auto"
    folder: str | None = None
    limit_gb: Annotated[float, Field(gt=0)] = 20.0

    @field_validator("use", mode="before")
    @classmethod
    def _as_yaml_reads_it(cls, value: object) -> object:
        # YAML takes `on` and `off` for true and false.
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


class Recipe(Section):
    """What the person asked for, from flags, keyword arguments or a YAML file.

    Attributes:
        framework: `torch` or `tensorflow`; what differs between them is in docs/frameworks.md.
        model: a network's name (`unfreeze models` lists them).
        weights: `pretrained`; `pretrained-or-random`, which goes on with random weights, and says so, where the pretrained
            ones can't be had; `none` for random weights; or the path of a weights file.
        strategy: which phases are made of it all.
        budget: of `auto`: the most that its steps may take, as time (`90s`, `20m`, `1.5h`) or as a multiple of the time of
            feature extraction (`5x`); None sets no limit.
        watch: the validation value that decides about early stopping, reductions on plateau and the best epoch: `val_loss`,
            `val_accuracy`, `val_balanced_accuracy` (the mean recall of all classes) or `val_macro_f1`.
        label_smoothing: the part of the target that is spread over all classes, in [0, 1).
        stochastic_depth: the part of the pictures for which the last residual block is left out in a training step, falling
            linearly to none at the first (Huang et al. 2016), in [0, 1). The rates are those of the whole network, as
            timm's `drop_path_rate` has them; blocks that don't train are never left out. A network without it is refused.
        ema: the decay of a running mean of the weights, for example 0.999: it is what is scored, kept and exported then. None
            takes the weights themselves.
        calibrate: after training, a temperature is fitted on the validation pictures, so that probabilities are what they say;
            see `training.calibration`. No class changes by it.
        explain: after training, what the model looked at is computed for the pictures that the report shows large.
        precision: `auto` takes bfloat16 where the processor or GPU computes in it, else float32.
        deterministic: the framework's deterministic operations, so that two runs of one seed give the same bytes on a GPU as
            well; on a CPU they do anyway, see docs/determinism.md.
        checkpoint_minutes: how often within an epoch it is written down where the training stands, so that it can be resumed;
            after each epoch it is in any case.
        seed: fixes the splits, the order, the augmentation, the head's initial weights and dropout.
    """

    framework: str = "torch"
    model: str = "efficientnet_lite0"
    weights: str = "pretrained"
    strategy: StrategyName = "fine-tune-top"
    budget: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    deterministic: bool = False
    watch: Watched = "val_loss"
    label_smoothing: Fraction = 0.1
    stochastic_depth: Fraction = 0.0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    calibrate: bool = True
    explain: bool = True
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 10.0
    data: Data = Data()
    input: Input = Input()
    augment: Augment = Augment()
    head: Head = Head()
    head_only: HeadOnly = HeadOnly()
    unfrozen: Unfrozen = Unfrozen()
    unfreeze: Unfreeze = Unfreeze()
    imbalance: Imbalance = Imbalance()
    cache: Cache = Cache()

    @model_validator(mode="after")
    def _gradual_goes_by_stages(self) -> Recipe:
        if self.strategy in ("gradual", "auto") and self.unfreeze.layers is not None:
            raise ValueError(f"unfreeze.layers: {self.strategy} unfreezes stage by stage: give unfreeze.stages instead")
        return self

    @model_validator(mode="after")
    def _budget_of_a_search(self) -> Recipe:
        if self.budget is None:
            return self
        multiple = re.fullmatch(r"(\d+(?:\.\d+)?)x", self.budget)
        if multiple is None:
            try:
                read_seconds(self.budget)
            except ValueError as error:
                raise ValueError(f"{error}, or 5x for five times what feature extraction takes") from None
        elif float(multiple[1]) < 1:
            raise ValueError(f"budget: {self.budget} leaves nothing after feature extraction: give 1x or more, or a time: 20m")
        if self.strategy != "auto":
            raise ValueError(f"budget: {self.budget} is for strategy: auto, {self.strategy} has no steps to leave out")
        return self
