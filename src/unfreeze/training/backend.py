"""The port: the one protocol through which the core speaks to a framework.

Arrays are NumPy at the border, and calls are as large as an epoch, so that each backend owns its inner loop. Layout (NCHW or
NHWC), device and precision never leave the backend. `tests/support/numpy_backend.py` is the smallest complete example.

A framework's package (`unfreeze.backends.torch`, …) offers these functions:

    check(recipe)                                 refuses what can be refused before any picture is read
    open_network(recipe, classes) -> Backend      the network of a recipe with a new head
    load_model(folder, device) -> Backend         a finished model, as `Backend.save_model` wrote it
    list_models(pattern) -> [ModelEntry]          what can be used
    describe_network(name) -> Network             the stages and input contract of one
    read_tensors(folder) -> {name: array}         a finished model's tensors under timm's names, in PyTorch's layout
    write_model(folder, tensors, manifest)        a finished model from such tensors, which another framework gave
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unfreeze.data.load import Batch, Mix
from unfreeze.recipe.network import Network
from unfreeze.recipe.plan import Phase, Precision
from unfreeze.training.arrivals import Arrival
from unfreeze.training.footprint import Footprint

# A copy of a model's tensors, by name.
Snapshot = Mapping[str, NDArray[Any]]
# A copy of all that training changes, by name; see `Backend.state`.
State = Mapping[str, NDArray[Any]]
# The part of a state that is a `Snapshot`: its names begin so.
MODEL = "model/"
# From step 0, 1, … of an epoch to the learning rate of each stage that trains, by the stage's name.
Rates = Callable[[int], Mapping[str, float]]


class Encoded(NamedTuple):
    """Some pictures as the frozen part leaves them.

    Attributes:
        activations: arrays [B, …], one for each tensor that crosses the boundary, in the backend's own layout. float32, or
            bfloat16 as its bits in uint16.
        labels: int64 [B], as in `Batch`.
        boundary: the first stage or layer that they haven't gone through.
        mix: what was mixed into the pictures, as in `Batch`, or None.
    """

    activations: tuple[NDArray[Any], ...]
    labels: NDArray[np.int64]
    boundary: str
    mix: Mix | None = None


# In the focal loss 1 - p is taken to be at least this: a power below 1 has no finite gradient at 0.
SMALLEST_DOUBT = 1e-8


@dataclass(frozen=True)
class LossSettings:
    """What a training step minimises: Σ w·ℓ / Σ w over a batch, w the weight of each picture's class and ℓ its loss,

        ℓ = -Σ_k q_k (1 - p_k)^γ log p_k,    p = softmax(logits + offsets),

    q the target: 1 for the class, smoothed. Without γ and offsets that is cross-entropy. With γ it is the focal loss (Lin et
    al. 2017, for a softmax and for smoothed targets), with offsets the logit-adjusted loss (Menon et al. 2021, equation 10).

    A picture into which another was mixed (`data.load.Mix`) counts as two: w is the part of each times the weight of its class.

    Attributes:
        label_smoothing: the part of the target spread evenly over all classes.
        class_weights: float32 [K], or None for equal ones.
        focal_gamma: γ, at least 0.
        logit_offsets: float32 [K], or None. Predictions, and the loss that an epoch reports, are without them.
    """

    label_smoothing: float = 0.0
    class_weights: NDArray[np.float32] | None = None
    focal_gamma: float = 0.0
    logit_offsets: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class EpochResult:
    """What one training epoch gave: over its pictures as they were trained on, with augmentation and dropout.

    Attributes:
        objective: the mean of what was minimised, as `LossSettings` says, without decay or L2 terms.
        loss: the plain mean cross-entropy, which can be held against the validation loss; of a mixed picture the sum of both
            labels' by their parts.
        accuracy: the part of the pictures that were named right, in 0–1; a mixed one by the label of the larger part.
        pictures: how many were shown.
        gradient_norm: the largest global L2 norm of the objective's gradient over the epoch's steps, by all parameters that
            train, before clipping and without L2 terms; NaN or infinite where a step's was. None where it wasn't measured.
    """

    objective: float
    loss: float
    accuracy: float
    pictures: int
    gradient_norm: float | None = None


@dataclass(frozen=True)
class ModelEntry:
    """A network that can be used.

    Attributes:
        name: what to write as `model`.
        weights: where its pretrained weights come from, in words.
        frameworks: those it runs in; none given means that of the backend that lists it.
    """

    name: str
    weights: str
    frameworks: tuple[str, ...] = ()


class Backend(Protocol):
    """A network with its head in one framework."""

    @property
    def network(self) -> Network:
        """Stages (with the head), layers and input contract."""

    @property
    def device(self) -> str:
        """Where it runs, in words: `cpu`, or the GPU's name."""

    @property
    def precision(self) -> Precision:
        """`float32` or `bfloat16`."""

    @property
    def environment(self) -> dict[str, str]:
        """Versions of the framework's packages, and what else decides the numbers."""

    def start_phase(
        self,
        phase: Phase,
        loss: LossSettings,
        accumulate: int = 1,
        ema: float | None = None,
        *,
        afresh: bool = False,
        parts: int = 1,
    ) -> None:
        """Freezes all layers before the phase's boundary, in inference mode until the next phase.

        The optimiser goes on for layers that already trained with one of its kind; for layers that join it starts afresh.

        Args:
            afresh: whether it starts so for all.
            accumulate: how many batches in a row make one step, the last of an epoch possibly of fewer: the step of one batch
                of all their pictures, but that BatchNorm normalises each batch by itself.
            ema: the decay d of the mean that `averaged` shows. It starts as the weights are now, and after step t = 1, 2, … of
                the phase is m + (1 - d')·(w - m), d' = min(d, (1 + t) / (10 + t)), TensorFlow's rule
                (`tf.train.ExponentialMovingAverage`), by which it soon forgets the start. None keeps no mean.
            parts: in how many parts a batch is computed, one after another; at most half its pictures. The step stays that of
                all of them, but that BatchNorm normalises each part by itself.
        """

    def resume_phase(
        self, phase: Phase, loss: LossSettings, accumulate: int = 1, ema: float | None = None, *, state: State, parts: int = 1
    ) -> None:
        """Goes on within a phase from where `state` was taken: what is trained then is what it was, byte for byte.

        Args:
            phase, loss, accumulate, ema: as `start_phase` was given them.
            parts: as there; another number gives the same up to rounding only.
            state: of this backend, or of one that was opened by the same recipe.
        """

    def state(self) -> State:
        """A copy of all that training changes, as it is between two steps.

        Tensors of the model, the optimiser's memory, the running mean and what L2-SP pulls towards, each by the name of its
        parameter; generators of random numbers; and what the steps of an epoch that is under way have come to.
        """

    def identify_prefix(self, boundary: str) -> dict[str, str] | None:
        """What decides the activations at a boundary, besides the pictures and the contract.

        Returns:
            A hash of all that is frozen, the precision, what computes it with its version. None where nothing is frozen, or
            the network can't be cut there.
        """

    def encode(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        """What crosses a boundary for each batch: the frozen part as it infers, computed once. Changes nothing.

        Args:
            batches: pictures, or their activations at a lower boundary.
            boundary: one that `identify_prefix` knows.
        """

    def train_epoch(
        self, batches: Iterable[Batch | Encoded], rates: Rates, on_step: Callable[[int], None], done: int = 0
    ) -> EpochResult:
        """Trains on the batches once.

        Args:
            batches: pictures, or their activations at the phase's boundary, which give the same result.
            done: how many steps of the epoch were taken before the state that `resume_phase` was given. The batches are those
                of the steps after them, the rates are asked for those, and the result is of all.
            rates: asked once for each step. Stages that don't train are passed over.
            on_step: called after each step with the number of its pictures.

        Returns:
            The epoch's result. `objective` is NaN or infinite where a step's was.

        Raises:
            OutOfMemory: memory doesn't suffice (`training.memory`): `resume_phase` with more parts goes on from a state.
        """

    def averaged(self) -> AbstractContextManager[None]:
        """Inside the context the model holds the running means of all weights that train, and of BatchNorm statistics where
        they follow the batches: to predict, to take a snapshot, to save. Afterwards it trains on with the weights it had, byte
        for byte. Nothing happens where the phase keeps no mean.
        """

    def predict(self, batches: Iterable[Batch | Encoded]) -> NDArray[np.float32]:
        """float32 [N, K]: the log-probabilities of each picture, in the order given. Changes nothing."""

    def footprint(self, boundary: str) -> Footprint | None:
        """What training from a boundary takes in the process's memory; None where it runs elsewhere or that isn't known."""

    def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> Sequence[Arrival]:
        """What arrives at each BatchNorm layer as the network infers, over all batches, in forward order. Changes nothing.

        Args:
            batches: float32 [B, S, S, 3], as the network takes them: normalised, in its channel order.
            first_only: only at the first, without computing the rest.

        Raises:
            ModelError: the network fails on a batch.
        """

    def grad_cam(self, batches: Iterable[Batch]) -> NDArray[np.float32] | None:
        """Where in each picture the model sees the class that its label names: Grad-CAM (Selvaraju et al. 2017).

        The map of channel weights α over the last feature map A, [h, w, C], that the network has before it pools:

            ReLU(Σ_c α_c A_c),    α_c = mean over h × w of ∂ logit / ∂ A_c

        in float32 whatever the precision, of the network as it infers. Changes nothing.

        Returns:
            float32 [N, h, w] in 0–1, in the order given: each map divided by its maximum; zeros where nothing speaks for the
            class. None where the network has no feature map of more than one place through which all goes: transformers.
        """

    def finish(self) -> None:
        """Ends the last phase: from here on predictions are made as by a finished model, opened with `load_model`."""

    def snapshot(self) -> Snapshot:
        """A copy of all tensors, that further training doesn't change."""

    def restore(self, snapshot: Snapshot) -> None:
        """All tensors as they were at the snapshot, byte for byte."""

    def save_model(self, folder: Path) -> None:
        """The model's tensors and manifest, written under temporary names and renamed."""
