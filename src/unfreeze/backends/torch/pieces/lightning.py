"""Gradual unfreezing as a callback of Lightning's, which isn't a dependency."""

from __future__ import annotations

from typing import Any

from unfreeze.errors import FrameworkError, RecipeError

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError:
    try:
        from pytorch_lightning import Callback, LightningModule, Trainer
    except ModuleNotFoundError:
        raise FrameworkError(
            "GradualUnfreezingCallback needs the package lightning, which isn't installed: pip install lightning"
        ) from None

from unfreeze.backends.torch.pieces.gradual import GradualUnfreezing


class GradualUnfreezingCallback(Callback):  # type: ignore[misc]
    """`GradualUnfreezing` for Lightning's `Trainer`.

        Trainer(callbacks=[GradualUnfreezingCallback(monitor="val_loss", patience=2)])

    Frozen stages stay in inference mode whatever Lightning puts into training mode, the optimiser is kept, and schedulers go on
    as they are. The module's `example_input_array`, where it has one, is the batch that its stages are told by. A checkpoint of
    the trainer holds how far it has come.

    Give `configure_optimizers` an optimiser over all parameters. With several processes use
    `strategy="ddp_find_unused_parameters_true"`. Modules with several optimisers aren't for this.

    Args:
        monitor: the logged value to watch.
        options: as `GradualUnfreezing` takes them: `epochs`, `patience`, `min_delta`, `mode`, `rate_factor`,
            `stage_rate_factor`, `warmup_steps`, `down_to`, `sample`.

    Raises:
        ModelError: as training starts, the module's stages can't be told, or it has no head.
        RecipeError: then, an argument out of range, or several optimisers; after an epoch, the value to watch wasn't logged.
    """

    def __init__(self, monitor: str = "val_loss", **options: Any) -> None:
        super().__init__()
        self._monitor, self._options = monitor, options
        self._state: dict[str, Any] | None = None
        self.gradual: GradualUnfreezing | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(trainer.optimizers) != 1:
            raise RecipeError(f"configure_optimizers: one optimiser is needed, received {len(trainer.optimizers)}")
        options = {"sample": _example(pl_module), **self._options}
        self.gradual = GradualUnfreezing(pl_module, trainer.optimizers[0], **options)
        if self._state is not None:
            self.gradual.load_state_dict(self._state)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        assert self.gradual is not None
        value = trainer.callback_metrics.get(self._monitor)
        if value is None and self._options.get("epochs") is None:
            raise RecipeError(
                f"monitor: '{self._monitor}' wasn't logged; there are {', '.join(trainer.callback_metrics) or 'no values'}:"
                " log it in validation_step, or give epochs= to go by epochs"
            )
        self.gradual.step(value)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.gradual is None else self.gradual.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict or None


def _example(module: LightningModule) -> Any:
    example: Any = module.example_input_array
    return None if example is None else example.to(module.device)
