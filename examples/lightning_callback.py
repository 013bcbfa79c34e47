"""Gradual unfreezing as a callback of Lightning's: pip install lightning.

python examples/lightning_callback.py

It trains torchvision's ResNet-18 on handwritten digits for seconds. Random weights, so that nothing is downloaded.
"""

import lightning
import torch
import torchvision
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy, interpolate
from torch.utils.data import DataLoader, TensorDataset

from unfreeze.torch import GradualUnfreezingCallback, replace_head


class Digits(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = replace_head(torchvision.models.resnet18(weights=None), classes=10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        return cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        self.log("val_loss", cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)  # over all: what is frozen has no gradient


class Shown(lightning.Callback):
    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        rates = ", ".join(f"{name} {rate:.1g}" for name, rate in unfreezing.gradual.rates.items())
        print(f"epoch {trainer.current_epoch}: rates {rates}; frozen norm trains: {pl_module.network.bn1.training}")


lightning.seed_everything(0)
digits = load_digits()
images = interpolate(torch.tensor(digits.images[:256], dtype=torch.float32)[:, None] / 16, 32).expand(-1, 3, -1, -1)
dataset = TensorDataset(images, torch.tensor(digits.target[:256]))
unfreezing = GradualUnfreezingCallback(monitor="val_loss", epochs=1, rate_factor=0.5, down_to="stage3")
trainer = lightning.Trainer(
    max_epochs=3,
    accelerator="cpu",
    callbacks=[unfreezing, Shown()],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(Digits(), DataLoader(dataset, 32, shuffle=True), DataLoader(dataset, 64))
print("boundary:", unfreezing.gradual.boundary)
