"""What a backend tells the rest about a network: its stages in forward order and its input contract. No framework here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from unfreeze.errors import RecipeError, did_you_mean

STEM = "stem"
HEAD = "head"


class InputContract(BaseModel):
    """What a checkpoint expects of its input.

    A picture is decoded to RGB (8 bits a channel), resized and cropped to `side_px` × `side_px`, divided by 255 and then
    normalised per channel as `(value - mean) / std`, in the order of `channel_order`.

    Attributes:
        side_px: height and width of the network's input, in pixels.
        interpolation: the resampling filter, by Pillow's name in lower case.
        crop_fraction: the part of the resized short side that the centre crop keeps, in (0, 1].
        crop_mode: `center` resizes the short side and crops the centre, `squash` resizes both sides whatever the aspect,
            `border` resizes the long side and pads.
        channel_order: the order in which the network takes the colours.
        mean, std: per channel, of values in 0–1, in the order R, G, B.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] = "bicubic"
    crop_fraction: float = 0.875
    crop_mode: Literal["center", "squash", "border"] = "center"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def with_side(self, side_px: int) -> InputContract:
        """The same contract at another input size."""
        return self.model_copy(update={"side_px": side_px})


class Layer(BaseModel):
    """A layer that holds weights of its own.

    Attributes:
        path: its name inside the network, for example `layer4.0.conv1`.
        parameters: how many trainable numbers it holds.
        counts: True for a convolution or dense layer, which "the last N layers" counts; False for a normalisation and the
            like, which goes with the layer before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    parameters: int
    counts: bool


class Stage(BaseModel):
    """One block of the network: `stem`, `stage1` … `stageN` or `head`, with its layers in forward order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)


class Network(BaseModel):
    """A pretrained network as the strategies see it.

    Attributes:
        name: the name the person used, for example `resnet50`.
        architecture: the framework's own name of the architecture.
        framework: `torch` or another backend's name.
        weights: where the weights came from, in words; shown in the plan.
        pretrained: False where the weights are random.
        contract: what the checkpoint expects of its input.
        minimum_side_px: the smallest input side the network can take, in pixels.
        stages: in forward order, `stem` first and `head` last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: str
    framework: str
    weights: str
    pretrained: bool
    contract: InputContract
    minimum_side_px: int
    stages: tuple[Stage, ...]

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers with weights, in forward order."""
        return tuple(layer for stage in self.stages for layer in stage.layers)

    @property
    def parameters(self) -> int:
        return sum(stage.parameters for stage in self.stages)

    def split(self, boundary: str) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
        """The frozen and the trainable layers when `boundary` is the first that trains.

        Args:
            boundary: the name of a stage, or the path of one layer inside a stage.

        Raises:
            RecipeError: no stage and no layer has that name.
        """
        cut = self.place(boundary)
        return self.layers[:cut], self.layers[cut:]

    def trainable_stages(self, boundary: str) -> tuple[str, ...]:
        """The stages, in forward order, that train as a whole or, the first of them, in part when `boundary` is the first.

        Raises:
            RecipeError: as `split`.
        """
        trainable = set(self.split(boundary)[1])
        return tuple(stage.name for stage in self.stages if trainable & set(stage.layers))

    def place(self, boundary: str) -> int:
        """How many layers lie before a boundary.

        Raises:
            RecipeError: as `split`.
        """
        first_layer = {stage.name: stage.layers[0].path for stage in self.stages}
        paths = [layer.path for layer in self.layers]
        start = first_layer.get(boundary, boundary)
        if start not in paths:
            raise RecipeError(
                f"{self.name} has no stage or layer named '{boundary}'."
                f"{did_you_mean(boundary, [*self.stage_names, *paths])}"
                f" Its stages are {', '.join(self.stage_names)}."
            )
        return paths.index(start)

    def boundary_of_last_stages(self, count: int) -> str:
        """The boundary that trains the head and the last `count` stages below it.

        Raises:
            RecipeError: the network has fewer stages.
        """
        below_head = self.stage_names[:-1]
        if not 1 <= count <= len(below_head):
            raise RecipeError(
                f"unfreeze.stages: {count} stages were asked for, {self.name} has {len(below_head)} below its head"
                f" ({', '.join(below_head)}): give a number from 1 to {len(below_head)}."
            )
        return below_head[-count]

    def boundary_of_last_layers(self, count: int) -> str:
        """The boundary that trains the head and the last `count` convolutions or dense layers below it.

        Raises:
            RecipeError: the network has fewer such layers.
        """
        counted = [layer.path for stage in self.stages[:-1] for layer in stage.layers if layer.counts]
        if not 1 <= count <= len(counted):
            raise RecipeError(
                f"unfreeze.layers: {count} layers were asked for, {self.name} has {len(counted)} convolutions and dense"
                f" layers below its head: give a number from 1 to {len(counted)}."
            )
        return counted[-count]
