"""The pieces in a PyTorch loop of your own: another head, gradual unfreezing, class weights, and proof that frozen is frozen.

python examples/torch_own_loop.py

It trains torchvision's ResNet-18 on handwritten digits for seconds. Random weights, so that nothing is downloaded: give
weights="DEFAULT" for those of ImageNet, and their input size, to have something worth freezing.
"""

import torch
import torchvision
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy, interpolate

from unfreeze.torch import GradualUnfreezing, assert_frozen, class_weights, freeze, replace_head, stages

torch.manual_seed(0)
digits = load_digits()
scans = torch.tensor(digits.images[:320], dtype=torch.float32)[:, None] / 16
images = interpolate(scans, 32).expand(-1, 3, -1, -1)  # [B, 3, 32, 32] in 0–1
labels = torch.tensor(digits.target[:320])
train = list(zip(images[:256].split(32), labels[:256].split(32), strict=True))
weights = class_weights(labels[:256])

model = replace_head(torchvision.models.resnet18(weights=None), classes=10, dropout=0.2)
for stage in stages(model):
    print(f"{stage.name:8} from {stage.layers[0].path:16} {stage.parameters:>10,} parameters")

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
gradual = GradualUnfreezing(model, optimizer, epochs=1, rate_factor=0.5, warmup_steps=4, down_to="stage4")
for epoch in range(3):
    model.train()  # the frozen part stays in inference mode
    with assert_frozen(model, before=gradual.boundary):
        for batch, targets in train:
            optimizer.zero_grad()
            cross_entropy(model(batch), targets, weight=weights).backward()
            optimizer.step()
    rates = ", ".join(f"{name} {rate:.1g}" for name, rate in gradual.rates.items())
    model.eval()
    with torch.no_grad():
        loss = cross_entropy(model(images[256:]), labels[256:]).item()
    print(f"epoch {epoch}: validation loss {loss:.2f}; rates: {rates}")
    joined = gradual.step(loss)
    if joined:
        print(f"{joined} trains from here on")

freeze(model, before="layer4.1")  # or a boundary of your own, by the path of a module
print("train from layer4.1 on:", sum(parameter.requires_grad for parameter in model.parameters()), "tensors")
