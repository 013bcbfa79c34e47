"""PyTorch behind the port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from torch import Tensor, fx

from unfreeze.backends.torch import state as states
from unfreeze.backends.torch.averaging import RunningMean
from unfreeze.backends.torch.freezing import (
    Parts,
    by_stage,
    freeze,
    module_at,
    own_tensors,
    set_training_mode,
    split,
    statistics,
)
from unfreeze.backends.torch.gradcam import grad_cam
from unfreeze.backends.torch.head import FineTuned
from unfreeze.backends.torch.inputs import arrivals
from unfreeze.backends.torch.losses import Objective, Targets
from unfreeze.backends.torch.machine import autocast, choose_device, choose_precision, deterministic, name_device
from unfreeze.backends.torch.memory import footprint, out_of_memory_told
from unfreeze.backends.torch.networks import make_model
from unfreeze.backends.torch.optimizers import Memory, PhaseOptimizer
from unfreeze.backends.torch.precision import train_depthwise_in_float32
from unfreeze.backends.torch.prefix import Prefix, Tensors, engine_for, normalised, to_array, to_device
from unfreeze.backends.torch.step import Step
from unfreeze.backends.torch.storage import read_model, save_model
from unfreeze.backends.torch.tracing import modes_kept, trace
from unfreeze.data.load import Batch, Mix
from unfreeze.recipe.network import HEAD, Network
from unfreeze.recipe.plan import Phase, Precision
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.allocator import keep_freed_memory
from unfreeze.training.arrivals import Arrival
from unfreeze.training.backend import Encoded, EpochResult, LossSettings, Rates, Snapshot, State
from unfreeze.training.encoding import boundary_of, encoded, in_parts, in_steps, joined
from unfreeze.training.footprint import Footprint
from unfreeze.training.memory import with_enough_memory
from unfreeze.training.within import within

# Where its recipe asks for it, a backend computes in its framework's deterministic mode.
_determined = within(lambda backend: deterministic(backend._recipe.deterministic))
_telling = within(lambda _: out_of_memory_told())


def open_network(recipe: Recipe, classes: tuple[str, ...]) -> TorchBackend:
    """The network of a recipe with a new head, as a `training.backend.Backend`.

    Raises:
        ModelError: no such network, or its weights can't be had.
        RecipeError: the device asked for isn't there, or the input is too small for the network.
    """
    model, network = make_model(recipe, len(classes))
    return TorchBackend(model, network, classes, recipe)


def load_model(folder: Path, device: str = "auto", precision: str = "auto") -> TorchBackend:
    """The model in a folder, as `save_model` wrote it, ready to predict.

    Raises:
        RunError: a file is missing or damaged, or the model isn't one of timm's.
        RecipeError: the device asked for isn't there.
    """
    model, network, classes, recipe = read_model(folder)
    here = recipe.model_copy(update={"device": device, "precision": precision})
    return TorchBackend(model, network, classes, here)


class TorchBackend:
    """A timm network with its head; see `training.backend.Backend` for the meaning of each method.

    Channels-last throughout: batches arrive as [B, S, S, 3], which is that layout, and convolutions are faster in it.
    """

    def __init__(self, model: FineTuned, network: Network, classes: tuple[str, ...], recipe: Recipe) -> None:
        keep_freed_memory()
        self._device = choose_device(recipe.device)
        self._precision = choose_precision(recipe.precision, self._device)
        self._model: FineTuned = model.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self._device.type == "cpu" and self._precision == "bfloat16":
            train_depthwise_in_float32(self._model.base)
        self._network, self._classes, self._recipe = network, classes, recipe
        asked = recipe.input.side_px
        self._contract = network.contract if asked == "auto" else network.contract.with_side(asked)
        self._boundary = HEAD  # a finished model trains nothing: its base is one frozen part
        self._optimizer: PhaseOptimizer | None = None
        self._step: Step | None = None
        self._mean: RunningMean | None = None
        # In how many parts a batch is computed in training, and how many make a step.
        self._per_batch, self._per_step = 1, 1
        self._sums = states.EpochSums.none(self._device)
        self._freeze_statistics = True
        self._parts: dict[str, Parts] = {}
        self._prefixes: dict[tuple[str, str | None], tuple[str, Prefix]] = {}

    @property
    def network(self) -> Network:
        return self._network

    @property
    def device(self) -> str:
        return name_device(self._device)

    @property
    def precision(self) -> Precision:
        return self._precision

    @property
    def environment(self) -> dict[str, str]:
        return {
            "torch": str(torch.__version__),  # a class of its own
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "threads": str(torch.get_num_threads()),
            "frozen part by": self._engines(),
        }

    @_determined
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
        before = None if afresh else self._optimizer
        memory = before.memory_for(phase.optimizer) if before is not None else None
        self._begin(phase, loss, accumulate, ema, parts, memory)

    @_determined
    def resume_phase(
        self, phase: Phase, loss: LossSettings, accumulate: int = 1, ema: float | None = None, *, state: State, parts: int = 1
    ) -> None:
        self.restore(states.model_in(state))
        self._begin(phase, loss, accumulate, ema, parts, states.memory_in(state, self._model))
        if self._mean is not None:
            self._mean.go_on(states.mean_in(state, self._device))
        self._sums = states.sums_in(state, self._device)
        states.set_generators(state, self._device)

    def state(self) -> State:
        if self._optimizer is None:
            raise RuntimeError("start_phase comes before state")
        return states.take(self._model, self._optimizer, self._mean, self._sums, self._device)

    def _begin(
        self, phase: Phase, loss: LossSettings, accumulate: int, ema: float | None, parts: int, memory: Memory | None
    ) -> None:
        self._boundary, self._per_batch, self._per_step = phase.boundary, parts, accumulate * parts
        frozen, trainable = self._network.split(phase.boundary)
        freeze(self._model, frozen, trainable)
        self._freeze_statistics = phase.batchnorm == "frozen"
        stages = by_stage(self._model, self._network)
        self._optimizer = PhaseOptimizer(phase.optimizer, stages, memory)
        self._mean = None
        if ema is not None:
            moving = [] if self._freeze_statistics else statistics(self._model, trainable)
            names = {tensor: name for name, tensor in self._model.state_dict(keep_vars=True).items()}
            self._mean = RunningMean({names[each]: each for each in (*chain.from_iterable(stages.values()), *moving)}, ema)
        objective, one_thread = Objective(loss, self._device), 1 if phase.boundary == HEAD else None
        self._step = Step(self._logits, objective, self._optimizer, self._mean, self._per_step > 1, one_thread)

    def finish(self) -> None:
        self._boundary, self._mean = HEAD, None

    def identify_prefix(self, boundary: str) -> dict[str, str] | None:
        if self._split(boundary).prefix is None:
            return None
        return {
            "framework": f"torch {torch.__version__}, timm {timm.__version__}",
            "network": f"{self._network.name} ({self._network.architecture})",
            "weights": self._hash(boundary),
            "precision": self._precision,
            "engine": f"{engine_for(self._device)} on {self.device}",
        }

    @_determined
    def encode(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        yield from with_enough_memory(lambda some: self._encoded(some, boundary), batches, joined)

    @_determined
    @_telling
    def train_epoch(
        self, batches: Iterable[Batch | Encoded], rates: Rates, on_step: Callable[[int], None], done: int = 0
    ) -> EpochResult:
        if self._optimizer is None or self._step is None:
            raise RuntimeError("start_phase comes before train_epoch")
        activations = self._activations(in_parts(batches, self._per_batch), self._boundary)
        set_training_mode(self._model, self._network.split(self._boundary)[0], self._freeze_statistics)
        if not done:
            self._sums = states.EpochSums.none(self._device)
        given = ((tensors, Targets.of(labels, mix, self._device)) for tensors, labels, mix in activations)
        for number, step in enumerate(in_steps(given, self._per_step), start=done):
            self._optimizer.set_rates(rates(number))
            values, norm, shown = self._step(step)
            self._sums.add(values, norm, shown)
            on_step(shown)
        sums = self._sums
        objective, loss, right = (sums.values / max(sums.pictures, 1)).tolist()
        return EpochResult(objective, loss, right, sums.pictures, sums.largest.item())

    def averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self._mean is None else self._mean.shown()

    @_determined
    def predict(self, batches: Iterable[Batch | Encoded]) -> NDArray[np.float32]:
        self._model.eval()
        nothing = np.empty((0, len(self._classes)), np.float32)
        return np.concatenate([nothing, *with_enough_memory(self._predicted, batches, np.concatenate)])

    def footprint(self, boundary: str) -> Footprint | None:
        if self._device.type != "cpu" or self._traced is None:
            return None
        trained = [
            parameter
            for layer in self._network.split(boundary)[1]
            for parameter in module_at(self._model, layer).parameters(recurse=False)
        ]
        return footprint(self._model, trained, self._split(boundary), self._traced, self._precision)

    def arrivals(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> list[Arrival]:
        return arrivals(self._model, (to_device(values, self._device) for values in batches), first_only)

    def grad_cam(self, batches: Iterable[Batch]) -> NDArray[np.float32] | None:
        def on_device(batch: Batch) -> tuple[Tensor, Tensor]:
            images = normalised(to_device(batch.images, self._device), self._contract)
            return images, torch.from_numpy(batch.labels).to(self._device)

        return grad_cam(self._model, map(on_device, batches))

    def snapshot(self) -> Snapshot:
        return states.snapshot(self._model)

    def restore(self, snapshot: Snapshot) -> None:
        states.load(self._model, snapshot)

    def save_model(self, folder: Path) -> None:
        manifest: dict[str, Any] = {
            "classes": list(self._classes),
            "recipe": self._recipe.model_dump(mode="json"),
            "network": self._network.model_dump(mode="json"),
        }
        save_model(self._model, manifest, folder)

    @_telling
    def _encoded(self, batches: Iterable[Batch | Encoded], boundary: str) -> Iterator[Encoded]:
        for tensors, labels, mix in self._activations(batches, boundary):
            yield Encoded(tuple(to_array(tensor) for tensor in tensors), labels, boundary, mix)

    @_telling
    def _predicted(self, batches: Iterable[Batch | Encoded]) -> Iterator[NDArray[np.float32]]:
        for boundary, group in groupby(batches, boundary_of):
            boundary = boundary or self._boundary
            for tensors, *_ in self._activations(group, boundary):
                with torch.inference_mode(), autocast(self._device, self._precision):
                    logs = F.log_softmax(self._tail(tensors, boundary), dim=1).cpu().numpy()
                yield logs

    def _logits(self, tensors: Tensors) -> Tensor:
        """Those of a batch in training."""
        with autocast(self._device, self._precision):
            return self._tail(tensors, self._boundary)

    def _activations(
        self, batches: Iterable[Batch | Encoded], boundary: str
    ) -> Iterator[tuple[Tensors, NDArray[np.int64], Mix | None]]:
        """What crosses a boundary, or normalised pictures where nothing is frozen, with labels and mix; in order."""
        return encoded(batches, lambda start: self._way(start, boundary))

    def _way(self, start: str | None, boundary: str) -> Callable[[Iterable[tuple[NDArray[Any], ...]]], Iterable[Tensors]]:
        """From pictures (None) or activations at one boundary to those at another."""
        if start == boundary:
            return lambda batches: (tuple(to_device(value, self._device) for value in values) for values in batches)
        if self._split(boundary).prefix is None:
            return lambda batches: ((normalised(to_device(images, self._device), self._contract),) for (images,) in batches)
        return self._prefix(boundary, start).run

    def _tail(self, tensors: Tensors, boundary: str) -> Tensor:
        """Logits, from activations at a boundary, or from pictures where nothing is frozen."""
        parts = self._split(boundary)
        if parts.prefix is None:
            logits: Tensor = self._model(*tensors)
            return logits
        return self._model.classify(parts.suffix(*tensors) if parts.suffix is not None else tensors[0])

    def _split(self, boundary: str) -> Parts:
        """The network cut at a boundary; not cut where nothing is frozen, or where it can't be traced."""
        if boundary not in self._parts:
            frozen, _ = self._network.split(boundary)
            self._parts[boundary] = Parts(None, None)
            if frozen and self._traced is not None:
                self._parts[boundary] = self._cut(self._traced, boundary)
        return self._parts[boundary]

    def _cut(self, graph: fx.GraphModule, boundary: str) -> Parts:
        frozen, trainable = self._network.split(boundary)
        with modes_kept(self._model):
            set_training_mode(self._model, frozen, freeze_statistics=True)
            return split(graph, trainable)

    @cached_property
    def _traced(self) -> fx.GraphModule | None:
        return trace(self._model.base, self._contract.side_px)

    def _engines(self) -> str:
        """What computes the frozen part: as seen so far, else what would be tried first."""
        return ", ".join({prefix.engine: None for _, prefix in self._prefixes.values()}) or engine_for(self._device)

    def _prefix(self, boundary: str, start: str | None) -> Prefix:
        """The frozen part as it is now, from pictures (None) or from a lower boundary."""
        known, weights = self._prefixes.get((boundary, start)), self._hash(boundary)
        if known is None or known[0] != weights:
            part = self._split(boundary).prefix
            if start is not None:
                lower = self._split(start).suffix
                assert lower is not None
                part = self._cut(lower, boundary).prefix
            assert part is not None
            contract = self._contract if start is None else None
            known = weights, Prefix(part, contract, self._precision, self._device)
            self._prefixes[boundary, start] = known
        return known[1]

    def _hash(self, boundary: str) -> str:
        """Of all layers before a boundary: what they are, and their tensors."""
        digest = hashlib.blake2b(digest_size=16)
        for layer in self._network.split(boundary)[0]:
            module = module_at(self._model, layer)
            digest.update(f"{layer.path} {module!r}".encode())
            for tensor in own_tensors(module):
                digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
