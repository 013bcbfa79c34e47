"""Optimisers, precision and storage of the PyTorch backend, by value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from support.rates import everywhere
from unfreeze.backends.torch import load_model, open_network
from unfreeze.backends.torch.backend import TorchBackend
from unfreeze.backends.torch.machine import choose_precision
from unfreeze.backends.torch.optimizers import PhaseOptimizer
from unfreeze.data.load import Batch
from unfreeze.errors import RunError
from unfreeze.recipe.plan import PlannedOptimizer
from unfreeze.recipe.read import read_recipe
from unfreeze.recipe.strategies import make_phases
from unfreeze.training.backend import LossSettings

RATE = 0.1


def planned(name: str, **values: object) -> PlannedOptimizer:
    defaults = {"momentum": 0.9, "weight_decay": 0.0, "l2": 0.0, "clip_norm": None}
    return PlannedOptimizer(name=name, **{**defaults, **values})


def after_steps(settings: PlannedOptimizer, steps: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a dense layer after some steps of a fixed gradient of 0.5."""
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, 3.0)
    optimizer = PhaseOptimizer(settings, {"head": list(layer.parameters())})
    optimizer.set_rates({"head": RATE})
    for _ in range(steps):
        layer.weight.grad, layer.bias.grad = torch.full((1, 2), 0.5), torch.full((1,), 0.5)
        optimizer.apply()
    return layer.weight.detach(), layer.bias.detach()


def test_l2_adds_to_the_gradient() -> None:
    weight, velocity = 2.0, 0.0
    for _ in range(3):
        velocity = 0.9 * velocity + 0.5 + 0.3 * weight
        weight -= RATE * velocity
    assert after_steps(planned("sgd", l2=0.3))[0][0, 0].item() == pytest.approx(weight, rel=1e-6)


def test_decoupled_decay_shrinks_the_weight_by_rate_times_decay() -> None:
    plain, decayed = after_steps(planned("adamw"), 1)[0], after_steps(planned("adamw", weight_decay=0.3), 1)[0]
    assert (plain - decayed)[0, 0].item() == pytest.approx(RATE * 0.3 * 2.0, rel=1e-5)


def test_adam_with_l2_is_not_adamw() -> None:
    # Adam's step has the size of the rate whatever the gradient: L2 inside it hardly shows after one step.
    assert after_steps(planned("adam", l2=0.3), 1)[0][0, 0].item() == pytest.approx(2.0 - RATE, rel=1e-4)


@pytest.mark.parametrize("settings", [planned("adamw", weight_decay=0.5), planned("adam", l2=0.5), planned("sgd", l2=0.5)])
def test_biases_are_left_alone(settings: PlannedOptimizer) -> None:
    none = planned(settings.name)
    assert torch.equal(after_steps(settings)[1], after_steps(none)[1])
    assert not torch.equal(after_steps(settings)[0], after_steps(none)[0])


def test_norms_get_no_decay_and_with_l2_sp_only_the_head_gets_any() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    stages = {"stage1": [*model[0].parameters(), *model[1].parameters()], "head": list(model[2].parameters())}
    for l2_sp, of_stage1 in ((0.0, 0.5), (0.1, 0.0)):
        groups = PhaseOptimizer(planned("adamw", weight_decay=0.5, l2_sp=l2_sp), stages)._optimizer.param_groups
        assert [(group["stage"], group["weight_decay"], [tuple(p.shape) for p in group["params"]]) for group in groups] == [
            ("stage1", of_stage1, [(4, 3, 3, 3)]),
            ("stage1", 0.0, [(4,), (4,), (4,)]),
            ("head", 0.5, [(2, 4)]),
            ("head", 0.0, [(2,)]),
        ]


def opened(**changes: object) -> TorchBackend:
    changes = {
        "model": "mobilenetv3_small_050",
        "weights": "none",
        "strategy": "gradual",
        "head.dropout": 0.0,
        **changes,
    }
    return open_network(read_recipe(None, changes), ("a", "b", "c"))


def batch(count: int = 6) -> Batch:
    generator = np.random.default_rng(0)
    return Batch(generator.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8), (np.arange(count) % 3).astype(np.int64))


def train_down_to(backend: TorchBackend, boundary: str, rate: float, **settings: object) -> None:
    recipe = read_recipe(None, {"strategy": "gradual", **settings})
    phase = make_phases(backend.network, recipe)[-1].model_copy(update={"boundary": boundary})
    backend.start_phase(phase, LossSettings())
    backend.train_epoch([batch()], everywhere(rate), lambda _: None)


def test_clipping_bounds_the_step() -> None:
    moves = []
    for clip in (None, 1e-3):
        backend = opened(precision="float32")
        before = backend.snapshot()
        optimizer = {"name": "sgd", "momentum": 0.0, "clip_norm": clip}
        train_down_to(backend, "stem", 1.0, **{"unfrozen.optimizer": optimizer, "unfreeze.batchnorm": "frozen"})
        after = backend.snapshot()
        squares = [((after[name] - before[name]).astype(np.float32) ** 2).sum() for name in before]
        moves.append(np.sqrt(np.sum(squares)))
    assert moves[0] > 1e-2
    assert moves[1] == pytest.approx(1e-3, rel=1e-3)


def test_on_a_cpu_dense_layers_train_in_bfloat16_and_depthwise_ones_in_float32() -> None:
    backend = opened(precision="bfloat16", device="cpu")
    seen: dict[str, torch.dtype] = {}
    modules: dict[str, torch.nn.Module] = {}
    for layer in backend.network.layers:
        inside_head = layer.path.startswith("new_head")
        module = backend._model.get_submodule(layer.path if inside_head else f"base.{layer.path}")
        modules[layer.path] = module
        module.register_forward_hook(lambda _, __, output, path=layer.path: seen.__setitem__(path, output.dtype))
    train_down_to(backend, "stage4", 1e-3)
    trainable = [layer.path for layer in backend.network.split("stage4")[1]]
    convolutions = {path: modules[path] for path in trainable if isinstance(modules[path], torch.nn.Conv2d)}
    depthwise = {path for path, module in convolutions.items() if module.groups > 1}
    assert depthwise
    assert {seen[path] for path in depthwise} == {torch.float32}
    assert {seen[path] for path in convolutions.keys() - depthwise} == {torch.bfloat16}
    assert {dtype for path, dtype in seen.items() if path.startswith("new_head")} == {torch.float32}
    assert all(parameter.dtype == torch.float32 for parameter in backend._model.parameters())


def test_bfloat16_predicts_nearly_what_float32_does_and_keeps_frozen_bytes() -> None:
    results = {}
    for precision in ("float32", "bfloat16"):
        backend = opened(precision=precision, device="cpu")
        before = backend.snapshot()
        train_down_to(backend, "stage6", 1e-3)
        after, frozen = backend.snapshot(), {layer.path for layer in backend.network.split("stage6")[0]}
        for name in before:
            if name.rpartition(".")[0].removeprefix("base.") in frozen:
                assert np.array_equal(before[name], after[name]), name
        results[precision] = np.exp(backend.predict([batch()]))
    np.testing.assert_allclose(results["bfloat16"], results["float32"], atol=0.03)
    assert not np.array_equal(results["bfloat16"], results["float32"])


def test_precision_auto_is_what_the_processor_has() -> None:
    assert choose_precision("auto", torch.device("cpu")) in ("float32", "bfloat16")
    assert choose_precision("float32", torch.device("cpu")) == "float32"
    assert choose_precision("bfloat16", torch.device("cpu")) == "bfloat16"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    opened(precision="float32").save_model(tmp_path / "model")
    return tmp_path / "model"


def test_the_manifest_holds_classes_contract_and_recipe_of_the_head(saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["format"], manifest["framework"], manifest["classes"]) == (1, "torch", ["a", "b", "c"])
    assert manifest["network"]["contract"]["mean"] == [0.485, 0.456, 0.406]
    assert manifest["recipe"]["head"] == {"hidden": [], "dropout": 0.0}
    assert manifest["recipe"]["strategy"] == "gradual"
    assert sorted(path.name for path in saved.iterdir()) == ["manifest.json", "weights.safetensors"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", None, r"manifest\.json: can't be read"),
        ("manifest.json", "{", r"manifest\.json: can't be read"),
        ("manifest.json", "[]", r"manifest\.json: format None, this version of unfreeze reads format 1"),
        ("manifest.json", '{"format": 1}', r"isn't the manifest of a model"),
        ("weights.safetensors", None, r"weights\.safetensors: can't be loaded"),
        ("weights.safetensors", "rubbish", r"weights\.safetensors: can't be loaded"),
    ],
)
def test_a_damaged_model_is_a_clear_error(saved: Path, name: str, content: str | None, message: str) -> None:
    (saved / name).unlink()
    if content is not None:
        (saved / name).write_text(content)
    with pytest.raises(RunError, match=message):
        load_model(saved)


@pytest.mark.parametrize("architecture", ["hf-hub:someone/thing", "local-dir:/tmp", "no_such_network"])
def test_a_strangers_manifest_can_not_make_timm_fetch(saved: Path, architecture: str) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["network"]["architecture"] = architecture
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="timm has no architecture"):
        load_model(saved)


def test_after_a_phase_predictions_are_those_of_the_model_loaded_again(tmp_path: Path) -> None:
    backend = opened(precision="bfloat16", device="cpu")
    train_down_to(backend, "stage4", 1e-3)
    backend.finish()
    backend.save_model(tmp_path / "model")
    again = load_model(tmp_path / "model", "cpu", "bfloat16")
    assert again.predict([batch()]).tobytes() == backend.predict([batch()]).tobytes()
