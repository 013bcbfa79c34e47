"""PyTorch behind the port."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from unfreeze.backends.torch.freezing import LayerPrecision, freeze, set_training_mode
from unfreeze.backends.torch.head import FineTuned
from unfreeze.backends.torch.machine import autocast, choose_device, choose_precision, name_device
from unfreeze.backends.torch.networks import make_model
from unfreeze.backends.torch.optimizers import make_optimizer, set_rate
from unfreeze.backends.torch.storage import read_model, save_model
from unfreeze.data.load import Batch
from unfreeze.recipe.network import Layer, Network
from unfreeze.recipe.plan import Phase, Precision
from unfreeze.recipe.recipe import Recipe
from unfreeze.training.allocator import keep_freed_memory
from unfreeze.training.backend import EpochResult, LossSettings, Snapshot


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
        self._network, self._classes, self._recipe = network, classes, recipe
        contract = network.contract
        swap = [2, 1, 0] if contract.channel_order == "BGR" else [0, 1, 2]
        self._order = swap
        self._mean = self._per_channel([contract.mean[channel] for channel in swap])
        self._std = self._per_channel([contract.std[channel] for channel in swap])
        self._layer_precision = LayerPrecision()
        self._frozen: tuple[Layer, ...] = ()
        self._trainable: tuple[Layer, ...] = ()
        self._optimizer: torch.optim.Optimizer | None = None
        self._clip_norm: float | None = None
        self._freeze_statistics = True
        self._label_smoothing = 0.0
        self._class_weights: Tensor | None = None

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
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "threads": str(torch.get_num_threads()),
        }

    def start_phase(self, phase: Phase, loss: LossSettings) -> None:
        self._frozen, self._trainable = self._network.split(phase.boundary)
        freeze(self._model, self._frozen, self._trainable)
        self._optimizer = make_optimizer(self._model, phase.optimizer, phase.rate, self._optimizer)
        self._clip_norm = phase.optimizer.clip_norm
        self._freeze_statistics = phase.batchnorm == "frozen"
        self._label_smoothing = loss.label_smoothing
        weights = loss.class_weights
        self._class_weights = None if weights is None else torch.from_numpy(weights).to(self._device)

    def train_epoch(
        self, batches: Iterable[Batch], rate: Callable[[int], float], on_step: Callable[[int], None]
    ) -> EpochResult:
        if self._optimizer is None:
            raise RuntimeError("start_phase comes before train_epoch")
        set_training_mode(self._model, self._frozen, self._freeze_statistics)
        if self._precision == "bfloat16" and self._device.type == "cpu":
            self._layer_precision.apply(self._model, self._frozen, self._trainable)
        # Sums stay on the device: reading them at every step would make a GPU wait.
        sums = torch.zeros(3, dtype=torch.float64, device=self._device)
        pictures = 0
        for step, batch in enumerate(batches):
            set_rate(self._optimizer, rate(step))
            labels = torch.from_numpy(batch.labels).to(self._device)
            sums += self._step(self._to_device(batch.images), labels)
            pictures += len(labels)
            on_step(len(labels))
        objective, loss, right = (sums / max(pictures, 1)).tolist()
        return EpochResult(objective, loss, right, pictures)

    def predict(self, batches: Iterable[Batch]) -> NDArray[np.float32]:
        self._model.eval()
        # So that a finished model, which has no phase, predicts the same once it is loaded again.
        self._layer_precision.remove()
        outputs = [np.empty((0, len(self._classes)), np.float32)]
        with torch.inference_mode(), autocast(self._device, self._precision):
            for batch in batches:
                logits = self._model(self._to_device(batch.images))
                outputs.append(F.log_softmax(logits, dim=1).cpu().numpy())
        return np.concatenate(outputs)

    def snapshot(self) -> Snapshot:
        return {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    def restore(self, snapshot: Snapshot) -> None:
        self._model.load_state_dict(snapshot)

    def save_model(self, folder: Path) -> None:
        manifest: dict[str, Any] = {
            "classes": list(self._classes),
            "recipe": self._recipe.model_dump(mode="json"),
            "network": self._network.model_dump(mode="json"),
        }
        save_model(self._model, manifest, folder)

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step. Objective and loss, each times the pictures, and how many were named right: float64 [3], on the device."""
        assert self._optimizer is not None
        # On a CPU the layers set their own precision: see LayerPrecision.
        precision: Precision = "float32" if self._device.type == "cpu" else self._precision
        with autocast(self._device, precision):
            logits = self._model(images)
        objective = self._objective(logits, labels)
        self._optimizer.zero_grad(set_to_none=True)
        objective.backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
        self._optimizer.step()
        with torch.no_grad():
            loss, right = F.cross_entropy(logits, labels, reduction="sum"), (logits.argmax(1) == labels).sum()
            return torch.stack([objective.double() * len(labels), loss.double(), right.double()])

    def _objective(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, label_smoothing=self._label_smoothing, reduction="none")
        if self._class_weights is None:
            return losses.mean()
        # Not PyTorch's `weight=`: with smoothing it weighs each part of the target by another class's weight.
        weights = self._class_weights[labels]
        return (losses * weights).sum() / weights.sum()

    def _to_device(self, images: NDArray[np.uint8]) -> Tensor:
        """uint8 [B, S, S, 3], RGB, to normalised float32 [B, 3, S, S] in the network's channel order, channels last."""
        pixels = torch.from_numpy(images).to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        if self._order != [0, 1, 2]:
            pixels = pixels[:, self._order]
        return pixels.float().div_(255).sub_(self._mean).div_(self._std)

    def _per_channel(self, values: list[float]) -> Tensor:
        return torch.tensor(values, device=self._device).view(1, 3, 1, 1)
