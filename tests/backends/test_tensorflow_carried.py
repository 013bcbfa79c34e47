"""Networks of timm carried over to Keras: the same values, weights that go back, files of built-in layers, kept once."""

# PyTorch first: the other way round the process aborts.
from unfreeze.backends import torch as torch_backend  # noqa: I001

import importlib
import json
import math
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import timm.layers
import torch
from timm.layers.grn import GlobalResponseNorm
from timm.models.hgnet import LearnableAffineBlock
from numpy.typing import NDArray
from support.checkpoints import randomise_vectors, take_statistics, write_checkpoint
from support.photographs import photographs
from torch import Tensor, nn
from torch.nn import functional

from unfreeze.backends.tensorflow import carried
from unfreeze.backends.tensorflow.build import build
from unfreeze.backends.tensorflow.keras_file import read_keras, write_keras
from unfreeze.backends.tensorflow.tensors import load_timm_tensors, timm_tensors
from unfreeze.backends.torch.networks import open_base, open_planned
from unfreeze.backends.torch.translation import translate
from unfreeze.data.load import Batch
from unfreeze.errors import FrameworkError, ModelError, RunError, StorageError
from unfreeze.exchange import apart, graph
from unfreeze.recipe.recipe import Input, Recipe

# One of each family; the sides are such that rounding and padding differ between the stages.
FAMILIES = {
    "resnet18": 80,
    "resnet50": 96,
    "efficientnet_b0": 72,
    "mobilenetv2_050": 64,
    "mobilenetv3_small_050": 64,
    "densenet121": 64,
    "vgg11_bn": 64,
    "regnety_002": 64,
    "convnext_atto": 64,
    "convnextv2_atto": 96,
}
TOLERANCE = 1e-4
NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNFREEZE_CACHE", str(tmp_path / "cache"))
    keras.backend.clear_session()
    return tmp_path / "cache"


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls that would go to a child, which takes seconds to import PyTorch, stay here; gives the functions called."""
    calls: list[str] = []

    def call(function: str, **arguments: Any) -> Any:
        calls.append(function)
        module, _, name = function.partition(":")
        return json.loads(json.dumps(getattr(importlib.import_module(module), name)(**arguments)))

    monkeypatch.setattr(apart, "call", call)
    return calls


def forward(base: nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    base.eval()
    with torch.inference_mode():
        return base(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    assert ours.shape == theirs.shape
    assert theirs.std(0).max() > 0.01 * np.abs(theirs).max()  # or it would compare constants
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def assert_same_network(base: nn.Module, model: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same features, and the same logits and best class after one same random dense layer; gives Keras's features."""
    theirs, ours = forward(base, images), np.asarray(model(images, training=False))
    assert difference(ours, theirs) <= TOLERANCE
    kernel = np.random.default_rng(0).standard_normal((theirs.shape[1], 10)).astype(np.float32)
    assert difference(ours @ kernel, theirs @ kernel) <= TOLERANCE
    np.testing.assert_array_equal((ours @ kernel).argmax(1), (theirs @ kernel).argmax(1))
    return ours


def assert_tensors_go_back(base: nn.Module, model: keras.Model) -> None:
    """Under PyTorch's names, each in its bytes, so that strict loading takes them."""
    theirs = {name: tensor.numpy() for name, tensor in base.state_dict().items()}
    ours = timm_tensors(model)
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        assert ours[name].dtype == array.dtype
        if not name.endswith("num_batches_tracked"):
            assert ours[name].tobytes() == np.ascontiguousarray(array).tobytes(), name
    base.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()}, strict=True)


def config_of(cache: Path) -> str:
    with zipfile.ZipFile(next(cache.rglob("*.keras"))) as file:
        return file.read("config.json").decode()


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_gives_the_same_values(model: str, tmp_path: Path, cache: Path, in_this_process: list[str]) -> None:
    side = FAMILIES[model]
    images = photographs(side, *NORMALISATION)
    base = write_checkpoint(model, images, tmp_path / "checkpoint.safetensors")
    recipe = Recipe(model=model, weights=str(tmp_path / "checkpoint.safetensors"), input=Input(side_px=side))
    opened = carried.open_carried(recipe)
    assert (opened.architecture, opened.pretrained, opened.contract.side_px) == (model, True, side)
    assert opened.base.input_shape == (None, side, side, 3)
    features = assert_same_network(base, opened.base, images)
    assert_tensors_go_back(base, opened.base)
    places = {layer.path for stage in opened.stages for layer in stage.layers}
    own = {layer.name for layer in opened.base.layers if layer.weights}
    assert {name if name in places else name.rpartition(".")[0] for name in own} == places
    assert all(kind == "keras" or kind.startswith("keras.") for kind in re.findall(r'"module": "([^"]+)"', config_of(cache)))
    kept = carried.open_carried(recipe)
    assert in_this_process == ["unfreeze.backends.torch.graph:write_graph"]
    np.testing.assert_array_equal(np.asarray(kept.base(images)), features)
    assert "Lambda" not in config_of(cache)


def test_the_bundled_network_with_its_real_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a child, as it is for a person; the second time without one."""
    opened = carried.open_carried(Recipe())
    monkeypatch.setattr(apart, "call", None)
    kept = carried.open_carried(Recipe())
    carried.check(Recipe())
    theirs = open_base("efficientnet_lite0", "pretrained")
    images = photographs(224, opened.contract.mean, opened.contract.std)
    assert_same_network(theirs.base, opened.base, images)
    assert_same_network(theirs.base, kept.base, images)
    assert_tensors_go_back(theirs.base, kept.base)
    assert (opened.contract, opened.weights, opened.pretrained) == (theirs.contract, theirs.weights, True)
    assert (kept.stages, kept.contract, kept.minimum_side_px) == (opened.stages, opened.contract, opened.minimum_side_px)
    assert {file.suffix for file in cache.rglob("*.*")} == {".keras", ".json"}


def test_random_weights_are_those_of_the_torch_backend(in_this_process: list[str]) -> None:
    for seed in (0, 1):
        recipe = Recipe(model="resnet10t", weights="none", seed=seed, input=Input(side_px=64))
        assert_tensors_go_back(open_planned(recipe).base, carried.open_carried(recipe).base)


# --- each operation


class Toy(nn.Module):
    """Functions of a picture, with layers; what each gives is laid out flat, one after the other."""

    def __init__(self, *functions: Callable[[Any, Tensor], Tensor], **layers: Any) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._functions = functions

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([function(self, images).flatten(1) for function in self._functions], 1)


def attention(t: Any, x: Tensor) -> Tensor:
    tokens = t.qkv(x.flatten(2).transpose(1, 2))
    query, key, value = tokens.reshape(2, -1, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(2, -1, 8)


def shuffled(t: Any, x: Tensor) -> Tensor:
    values = t.conv(x)
    return values.view(2, 4, 2, *values.shape[2:]).transpose(1, 2).reshape(values.shape)


def by_name(module: Any, *names: str) -> list[Callable[[Any, Tensor], Tensor]]:
    return [lambda t, x, name=name: getattr(module, name)(x) for name in names]  # type: ignore[misc]


OPERATIONS: dict[str, Toy] = {
    "convolutions": Toy(
        lambda t, x: t.stride(x),
        lambda t, x: t.dilation(x),
        lambda t, x: t.both(x),
        lambda t, x: t.groups(torch.cat([x, x], 1)),
        lambda t, x: t.same(x),
        stride=nn.Conv2d(3, 6, 3, 2, 1), dilation=nn.Conv2d(3, 4, 3, 1, 2, 2), both=nn.Conv2d(3, 4, 3, 2, 2, 2),
        groups=nn.Conv2d(6, 9, 3, 1, 1, 1, 3), same=nn.Conv2d(3, 4, 3, padding="same"),
    ),
    "depthwise convolutions": Toy(
        lambda t, x: t.wide(x),
        lambda t, x: t.stride(x),
        lambda t, x: t.blur(t.pointwise(x)),
        wide=nn.Conv2d(3, 6, (1, 5), 1, (0, 2), groups=3), stride=nn.Conv2d(3, 3, 5, 2, 2, groups=3, bias=False),
        pointwise=nn.Conv2d(3, 4, 1), blur=timm.layers.BlurPool2d(4),
    ),
    "norms": Toy(
        lambda t, x: t.group(t.conv(x)),
        lambda t, x: t.bare(x),
        lambda t, x: t.layer(x),
        lambda t, x: t.rms(x),
        lambda t, x: t.response(x),
        lambda t, x: t.last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        conv=nn.Conv2d(3, 8, 1), group=nn.GroupNorm(2, 8), bare=nn.BatchNorm2d(3, affine=False),
        layer=timm.layers.LayerNorm2d(3), rms=timm.layers.RmsNorm2d(3),
        response=GlobalResponseNorm(3, channels_last=False), last=GlobalResponseNorm(3),
    ),
    "parameters": Toy(
        lambda t, x: t.scale(x),
        lambda t, x: x * t.own.view(1, -1, 1, 1),
        lambda t, x: t.tall * x,
        lambda t, x: t.one(x) + t.other(x),
        scale=timm.layers.LayerScale2d(3), own=nn.Parameter(torch.ones(3)), tall=nn.Parameter(torch.ones(3, 1, 1)),
        one=LearnableAffineBlock(), other=LearnableAffineBlock(),
    ),
    "max pools": Toy(
        lambda t, x: functional.max_pool2d(x, 3, 2, 1),
        lambda t, x: functional.max_pool2d(x, 3, 2, ceil_mode=True),
        lambda t, x: functional.max_pool2d(functional.pad(x, (0, 1, 1, 0), value=-math.inf), 3, 2),
        lambda t, x: x.amax((2, 3)),
    ),
    "mean pools": Toy(
        lambda t, x: functional.avg_pool2d(x, 3, 1, 1),
        lambda t, x: functional.avg_pool2d(x, 3, 2, 1),
        lambda t, x: functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        lambda t, x: functional.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False),
        lambda t, x: functional.adaptive_avg_pool2d(x, (3, 2)),
        lambda t, x: functional.adaptive_avg_pool2d(x[:, :, :2, :3], 7),  # more parts than pixels
    ),
    "reductions": Toy(
        lambda t, x: torch.linalg.vector_norm(x, dim=1) + x.sum(1),
        lambda t, x: x.var(1, unbiased=False),
        lambda t, x: x.var(1, keepdim=True),
    ),
    "resizes": Toy(
        lambda t, x: functional.interpolate(x, scale_factor=2),
        lambda t, x: functional.interpolate(x, size=(20, 23)),
        lambda t, x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda t, x: functional.interpolate(x, size=(20, 23), mode="bilinear"),
    ),
    "pads": Toy(
        lambda t, x: functional.pad(x, (1, 2, 0, 3)),
        lambda t, x: functional.pad(x, (0, 0, 0, 0, 0, 2), value=0.5),
        lambda t, x: functional.pad(x, (-1, 1, 1, -2)),
        lambda t, x: functional.pad(x, (1, 2, 3, 1), mode="reflect"),
    ),
    "shapes": Toy(
        lambda t, x: torch.cat([x.split([1, 2], 1)[1], x.chunk(3, 1)[0], x[:, 1:, :, :]], 1),
        lambda t, x: torch.stack([x, x * 2, 1 - x], 1).softmax(1)[:, 2],
        lambda t, x: torch.stack([x.unbind(2)[3], x[:, :, :, -2]], 1),
        shuffled,
        conv=nn.Conv2d(3, 8, 1),
    ),
    "attention": Toy(
        attention,
        lambda t, x: x @ x.transpose(2, 3),
        lambda t, x: t.channels(x),
        qkv=nn.Linear(3, 24), channels=timm.layers.EcaModule(3),
    ),
    "arithmetic": Toy(
        lambda t, x: (x - x.mean((2, 3), keepdim=True)) / (x.abs() + 1) * 3 + x**2 - (x + 9).rsqrt() / 4,
        lambda t, x: (x * 2).relu_().add_(x),
        lambda t, x: (x.abs() + 1) ** 1.5 + torch.exp(x).sqrt() - (-x),
    ),
    "activations": Toy(
        *by_name(functional, "relu6", "silu", "gelu", "mish", "sigmoid", "hardsigmoid", "hardswish", "tanh", "elu"),
        lambda t, x: functional.gelu(x, approximate="tanh"),
        lambda t, x: functional.leaky_relu(x, 0.2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_gives_the_same_values(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    toy = OPERATIONS[name]
    randomise_vectors(toy)
    images = photographs(15, *NORMALISATION)[::3][:2]
    take_statistics(toy, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    graph.write(translate(toy, 15, name), tmp_path / "graph.json")
    model = build(graph.read(tmp_path / "graph.json"))
    load_timm_tensors(model, {key: tensor.numpy() for key, tensor in toy.state_dict().items()})
    theirs = forward(toy, images)
    assert difference(np.asarray(model(images)), theirs) <= 1e-5
    assert_tensors_go_back(toy, model)
    write_keras(model, tmp_path / "toy.keras")
    assert difference(np.asarray(read_keras(tmp_path / "toy.keras")(images)), theirs) <= 1e-5


def test_a_norm_of_zeros_has_a_finite_gradient() -> None:
    import tensorflow as tf

    model = build(translate(Toy(lambda t, x: torch.linalg.vector_norm(x, dim=(2, 3))), 8, "toy"))
    images = tf.zeros((1, 8, 8, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        values = model(images)
    assert np.isfinite(tape.gradient(values, images)).all()


# --- weights


def small_model() -> keras.Model:
    toy = Toy(lambda t, x: t.norm(t.conv(x)).mean((2, 3)), conv=nn.Conv2d(3, 4, 3, bias=False), norm=nn.BatchNorm2d(4))
    return build(translate(toy, 8, "toy"))


def test_a_new_head_has_its_own_prefix() -> None:
    base = small_model()
    model = keras.Model(base.input, keras.layers.Dense(2, name="new_head.output")(base.output))
    tensors = timm_tensors(model, base_prefix="base.")
    assert set(tensors) == {
        "base.conv.weight", "base.norm.weight", "base.norm.bias", "base.norm.running_mean", "base.norm.running_var",
        "base.norm.num_batches_tracked", "new_head.output.weight", "new_head.output.bias",
    }  # fmt: skip
    assert (tensors["base.norm.num_batches_tracked"].dtype, tensors["new_head.output.weight"].shape) == (np.int64, (2, 4))
    load_timm_tensors(model, {name: tensor + 1 for name, tensor in tensors.items()}, base_prefix="base.")
    np.testing.assert_array_equal(model.get_layer("new_head.output").bias, [1, 1])
    nested = keras.Model(base.input, keras.layers.Dense(2, name="new_head.output")(base(base.input)))
    assert set(timm_tensors(nested, base_prefix="base.")) == set(tensors)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda tensors: tensors.pop("conv.weight"), r"conv\.weight is missing"),
        (lambda tensors: tensors.update(more=np.zeros(1)), "more is unexpected"),
        (lambda tensors: tensors.update({"norm.bias": np.zeros(3)}), r"norm\.bias has the shape \[3\] instead of \[4\]"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(change: Callable[[dict[str, Any]], Any], why: str) -> None:
    model = small_model()
    before = timm_tensors(model)
    tensors: dict[str, Any] = {name: tensor + 1 for name, tensor in before.items()}
    change(tensors)
    with pytest.raises(ModelError, match=why):
        load_timm_tensors(model, tensors)
    after = timm_tensors(model)
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_layers_without_a_place_in_timm_are_refused() -> None:
    values = keras.Input((8, 8, 3))
    with pytest.raises(ModelError, match="the weights of odd, a SeparableConv2D, have no place"):
        timm_tensors(keras.Model(values, keras.layers.SeparableConv2D(2, 3, name="odd")(values)))


# --- what is kept


def test_what_is_kept_is_told_apart(cache: Path, tmp_path: Path, in_this_process: list[str]) -> None:
    def open_(**changes: Any) -> None:
        carried.open_carried(Recipe(**{"model": "test_resnet", "weights": "none", "input": Input(side_px=64), **changes}))

    open_()
    open_(device="cpu", strategy="full")
    assert len(in_this_process) == 1
    open_(seed=1)
    open_(input=Input(side_px=96))
    assert len(in_this_process) == 3
    checkpoint = tmp_path / "test_resnet.safetensors"
    for factor in (1, 2):
        write_checkpoint("test_resnet", factor * photographs(64, *NORMALISATION), checkpoint)
        open_(weights=str(checkpoint))
        open_(weights=str(checkpoint), seed=5)
    assert len(in_this_process) == 5
    names = sorted(file.name for file in cache.rglob("*.keras"))
    assert len(names) == 5
    assert names[0].startswith("test_resnet-64-")


@pytest.mark.parametrize("suffix", [".keras", ".json"])
def test_a_damaged_file_is_made_again(suffix: str, cache: Path, in_this_process: list[str]) -> None:
    recipe = Recipe(model="test_resnet", weights="none", input=Input(side_px=64))
    before = timm_tensors(carried.open_carried(recipe).base)
    kept = next(cache.rglob(f"*{suffix}"))
    kept.write_bytes(kept.read_bytes()[:100])
    after = timm_tensors(carried.open_carried(recipe).base)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    carried.open_carried(recipe)
    assert len(in_this_process) == 2


def test_random_weights_in_place_of_pretrained_ones_are_not_kept(cache: Path, in_this_process: list[str]) -> None:
    recipe = Recipe(model="test_resnet", weights="pretrained-or-random", input=Input(side_px=64))
    opened = carried.open_carried(recipe)
    assert (opened.pretrained, "can't be reached" in opened.weights) == (False, True)
    carried.open_carried(recipe)
    assert len(in_this_process) == 2
    assert not list(cache.rglob("*.keras"))


def test_a_cache_that_cannot_be_written_costs_only_time(cache: Path, in_this_process: list[str]) -> None:
    cache.write_text("a file where the folder should be")
    recipe = Recipe(model="test_resnet", weights="none", input=Input(side_px=64))
    assert carried.open_carried(recipe).base.output_shape[0] is None


def test_without_pytorch_the_error_says_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "timm") else find(name))
    with pytest.raises(
        FrameworkError, match=r"resnet18 is carried over from timm once.*unfreeze\[torch\].*--model MobileNetV2"
    ):
        carried.check(Recipe(model="resnet18"))


def test_an_unknown_network_is_refused(in_this_process: list[str]) -> None:
    with pytest.raises(ModelError, match=r"no network 'resnet81'\. Did you mean 'resnet18'"):
        carried.check(Recipe(model="resnet81"))


# --- files


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A `.keras` file with a changed configuration."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    doctored = path.with_name("doctored.keras")
    with zipfile.ZipFile(doctored, "w") as file:
        for name, content in {**parts, "config.json": json.dumps(config).encode()}.items():
            file.writestr(name, content)
    return doctored


def layer_of(config: dict[str, Any]) -> dict[str, Any]:
    layer: dict[str, Any] = config["config"]["layers"][1]
    return layer


DOCTORED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "lambda": (lambda config: layer_of(config).update(class_name="Lambda"), "holds a Lambda"),
    "below a module": (
        lambda config: layer_of(config).update(module="keras", class_name="layers.Lambda"),
        r"the class layers\.Lambda",
    ),
    "a function below a module": (
        lambda config: layer_of(config)["config"].update(activation={"module": "keras", "class_name": "utils.normalize"}),
        r"the class utils\.normalize",
    ),
    "module": (lambda config: layer_of(config).update(module="evil_module", class_name="Evil"), r"holds evil_module\.Evil"),
    "of the system": (lambda config: layer_of(config).update(module="os", class_name="system"), r"holds os\.system"),
    "of Keras, but no layer": (lambda config: layer_of(config).update(module="keras.src.utils.file_utils"), "keras.src.utils"),
    "function": (
        lambda config: layer_of(config)["config"].update(
            activation={"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}
        ),
        "holds a function",
    ),
    "model": (lambda config: layer_of(config).update(class_name="TFSMLayer"), "holds a TFSMLayer"),
    "registered": (lambda config: layer_of(config).update(registered_name="evil>Layer"), "the custom class evil>Layer"),
    "unsafe": (lambda config: layer_of(config)["config"].update(safe_mode=False), "the key safe_mode"),
}


@pytest.mark.parametrize("case", DOCTORED)
def test_a_file_that_could_run_code_is_refused_before_keras_sees_it(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, why = DOCTORED[case]
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    write_keras(small_model(), tmp_path / "model.keras")
    assert read_keras(rewritten(tmp_path / "model.keras", lambda config: None)).count_params() > 0
    monkeypatch.setattr(keras.models, "load_model", None)
    with pytest.raises(RunError, match=rf"doctored\.keras: holds .*{why.removeprefix('holds ')}"):
        read_keras(rewritten(tmp_path / "model.keras", change))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and then nothing"])
def test_a_file_that_is_none_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(RunError, match=r"model\.keras: isn't a \.keras file"):
        read_keras(tmp_path / "model.keras")


def test_a_file_without_weights_is_refused(tmp_path: Path) -> None:
    write_keras(small_model(), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = file.read("config.json")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as file:
        file.writestr("config.json", config)
    with pytest.raises(RunError, match="can't be loaded"):
        read_keras(tmp_path / "model.keras")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    write_keras(model, tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()

    def half(path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", half)
    with pytest.raises(StorageError, match=r"can't be written .No space left on device"):
        write_keras(model, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_a_finished_model_is_rebuilt_at_the_side_of_its_contract(tmp_path: Path, in_this_process: list[str]) -> None:
    from unfreeze.backends import tensorflow as tensorflow_backend

    recipe = Recipe(model="mobilenetv3_small_050", weights="none", precision="float32")
    source = torch_backend.open_network(recipe, ("a", "b"))
    source.save_model(tmp_path / "torch")
    manifest = json.loads((tmp_path / "torch" / "manifest.json").read_text(encoding="utf-8"))
    manifest["network"]["contract"]["side_px"] = 64  # as a checkpoint made for it says
    tensorflow_backend.write_model(tmp_path / "keras", torch_backend.read_tensors(tmp_path / "torch"), manifest)
    assert read_keras(tmp_path / "keras" / "model.keras").input_shape == (None, 64, 64, 3)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    batches = [Batch(images, np.zeros(3, np.int64))]
    rebuilt = tensorflow_backend.load_model(tmp_path / "keras", "cpu", "float32")
    np.testing.assert_allclose(np.exp(rebuilt.predict(batches)), np.exp(source.predict(batches)), atol=1e-5)
    assert rebuilt.network.contract.side_px == 64
