"""Gradual unfreezing in a `fit` of one's own."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from unfreeze.backends.tensorflow.pieces.freezing import freeze_before, thaw
from unfreeze.backends.tensorflow.pieces.order import calls_of
from unfreeze.backends.tensorflow.pieces.stages import stages_of_calls
from unfreeze.backends.tensorflow.pieces.steps import Rates, innermost, knowing
from unfreeze.errors import ModelError, RecipeError
from unfreeze.recipe.network import HEAD
from unfreeze.training.descent import Descent


class GradualUnfreezing(keras.callbacks.Callback):  # type: ignore[misc]
    """Trains the head first and unfreezes one stage more from the top whenever it is time, within one `fit`.

        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(pictures, epochs=20, validation_data=others, callbacks=[GradualUnfreezing(patience=2)])

    What is frozen, is frozen as by `freeze`. The optimiser keeps its moments of what trains already; what joins starts afresh,
    its count of steps included, on which Adam's first steps depend. Each stage has its own rate: what the optimiser, its
    schedule or another callback says (`optimizer.learning_rate`, which stays as it is) times `rate_factor` for each step down
    so far, times `stage_rate_factor` for each stage above it, times the warm-up. `rates` says what that makes. A decoupled
    weight decay goes by the optimiser's own rate.

    A second `fit` with the same callback goes on where the first ended. Each step down makes Keras trace the training step
    anew, which takes seconds.

    Args:
        epochs: unfreeze after every so many epochs; None goes by `monitor`.
        monitor: what to watch, as it is called in the logs.
        patience: unfreeze when the value hasn't improved for so many epochs.
        min_delta: an improvement smaller than this doesn't count.
        mode: `min` where a lower value is better, such as a loss, `max` where a higher one is.
        rate_factor: all rates are multiplied by this at each step down, in (0, 1].
        stage_rate_factor: each stage has the rate of the one above it times this (discriminative rates, Howard & Ruder 2018),
            in (0, 1]; 1 gives all the same.
        warmup_steps: the rate of a stage that joins rises linearly from near zero over so many steps of the optimiser.
        down_to: the last stage that is unfrozen.

    Raises:
        ModelError: as training starts, the model's stages can't be told, or it has no head, see `stages`.
        RecipeError: then, an argument out of range; after an epoch, the value to watch isn't in the logs.
    """

    def __init__(
        self,
        *,
        epochs: int | None = None,
        monitor: str = "val_loss",
        patience: int = 2,
        min_delta: float = 0.0,
        mode: str = "min",
        rate_factor: float = 0.5,
        stage_rate_factor: float = 1.0,
        warmup_steps: int = 0,
        down_to: str = "stem",
    ) -> None:
        super().__init__()
        self._monitor, self._by_epochs, self._warmup_steps = monitor, epochs is not None, warmup_steps
        self._options = {
            "epochs": epochs,
            "patience": patience,
            "min_delta": min_delta,
            "mode": mode,
            "rate_factor": rate_factor,
            "stage_rate_factor": stage_rate_factor,
            "warmup_steps": warmup_steps,
            "down_to": down_to,
        }
        self._descent: Descent | None = None
        self._rates: Rates | None = None

    @property
    def boundary(self) -> str:
        """The first stage that trains."""
        return HEAD if self._descent is None else self._descent.boundary

    @property
    def rates(self) -> dict[str, float]:
        """The learning rate of each stage that trains, in forward order."""
        if self._descent is None:
            return {}
        optimizer = innermost(self.model.optimizer)
        rate, count = float(optimizer.learning_rate), int(optimizer._iterations)
        return {stage: rate * self._descent.factor(stage, count - int(self._joined[stage])) for stage in self._descent.training}

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        if self._descent is None:
            self._begin()
        self._freeze()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        assert self._descent is not None
        value = (logs or {}).get(self._monitor)
        if value is None and not self._by_epochs:
            raise RecipeError(
                f"monitor: '{self._monitor}' isn't in the logs; there are {', '.join(logs or {}) or 'no values'}: give fit"
                " validation_data, or name one of these, or give epochs= to go by epochs"
            )
        joined = self._descent.observe(value)
        if joined is not None:
            self._joined[joined].assign(innermost(self.model.optimizer)._iterations)
            self._freeze()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self._end()
        self.model.train_function = None  # another fit may be without this callback

    def _begin(self) -> None:
        self._calls = calls_of(self.model)
        self._stages = stages_of_calls(self.model, self._calls)
        self._descent = Descent([stage.name for stage in self._stages], **self._options)  # type: ignore[arg-type]
        layers = {call.path: call.layer for call in self._calls}
        self._stage_of = {
            id(variable): stage.name
            for stage in reversed(self._stages)
            for layer in stage.layers
            for variable in layers[layer.path].weights
        }
        names = [stage.name for stage in self._stages]
        self._factors = {name: keras.Variable(1.0, trainable=False, name=f"factor_{name}") for name in names}
        self._joined = {name: keras.Variable(0, dtype="int64", trainable=False, name=f"joined_{name}") for name in names}
        if self.model.optimizer is None:
            raise ModelError(f"model: {self.model.name} has no optimiser: compile it first")

    def _freeze(self) -> None:
        """Freezes what is to be frozen now, and lets `fit` go on with it."""
        assert self._descent is not None
        self._end()
        for name in self._descent.training:
            self._factors[name].assign(self._descent.factor(name))
        optimizer = self.model.optimizer
        # All at once, the frozen ones too: then their places and moments are there when they join.
        thaw(self.model)
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self.model.optimizer = knowing(optimizer, self.model.trainable_variables)
        self._rates = Rates(self.model.optimizer, self._of)
        freeze_before(self.model, self.boundary, self._stages, self._calls)

    def _of(self, variable: Any, count: Any) -> tuple[Any, Any]:
        stage = self._stage_of.get(id(variable), HEAD)
        factor, joined = self._factors[stage], self._joined[stage]
        if self._warmup_steps and stage != HEAD:
            taken = ops.cast(count, "float32") - ops.cast(joined, "float32")
            factor = factor * ops.minimum(1.0, (taken + 1.0) / self._warmup_steps)
        return factor, joined

    def _end(self) -> None:
        if self._rates is not None:
            self._rates.remove()
            self._rates = None
