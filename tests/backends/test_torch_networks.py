"""Networks by name, from files and folders, with the bundled weights; what happens where there is no hub."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import timm.data
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from unfreeze.backends.torch import bundled, check, list_models, open_network
from unfreeze.backends.torch.backend import TorchBackend
from unfreeze.backends.torch.networks import open_base
from unfreeze.data.load import Batch
from unfreeze.data.prepare import prepare
from unfreeze.errors import ModelError, RecipeError
from unfreeze.recipe.network import InputContract
from unfreeze.recipe.read import read_recipe
from unfreeze.training.backend import Snapshot


def test_the_bundled_network_names_real_photographs() -> None:
    opened = open_base("efficientnet_lite0", "pretrained")
    original = torch.load(bundled.weights_file(), map_location="cpu", weights_only=True)
    photographs = load_sample_images()
    images = np.stack([prepare(Image.fromarray(image), opened.contract) for image in photographs.images])
    values = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    opened.base.eval()
    with torch.inference_mode():
        logits = opened.base(values) @ original["_fc.weight"].T + original["_fc.bias"]
    words = timm.data.ImageNetInfo()
    named = {
        name: words.index_to_description(int(row.argmax())).split(",")[0]
        for name, row in zip(photographs.filenames, logits, strict=True)
    }
    assert {Path(name).name: word for name, word in named.items()} == {"china.jpg": "palace", "flower.jpg": "daisy"}


def test_the_bundled_contract_is_the_checkpoints() -> None:
    assert open_base("efficientnet_lite0", "pretrained").contract == InputContract(
        side_px=224, interpolation="bicubic", crop_fraction=0.875, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )


def to_network(backend: TorchBackend, images: np.ndarray) -> torch.Tensor:
    """What the network is given."""
    ((tensors, *_),) = backend._activations([Batch(images, np.zeros(len(images), np.int64))], "stem")
    return tensors[0]


@pytest.mark.parametrize("model", ["resnet18", "inception_v3", "convnext_atto", "tf_efficientnet_b0"])
def test_pixels_reach_the_network_as_timm_would_send_them(model: str) -> None:
    backend = open_network(read_recipe(None, {"model": model, "weights": "none"}), ("a", "b"))
    config = timm.data.resolve_model_data_config(backend._model.base, use_test_size=False)
    photograph = Image.fromarray(load_sample_images().images[1])
    ours = to_network(backend, prepare(photograph, backend.network.contract)[None].copy())[0]
    theirs = timm.data.create_transform(**config, is_training=False)(photograph)
    # Resizing differs by one grey level in few values (docs/decisions/0009), and nothing else may.
    level = 1 / 255 / min(backend.network.contract.std)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2.01 * level)
    assert ((ours - theirs).abs() > 1e-6).float().mean() < 0.02
    assert to_network(backend, np.zeros((2, 64, 64, 3), np.uint8)).is_contiguous(memory_format=torch.channels_last)


def test_a_bgr_contract_swaps_the_channels() -> None:
    backend = open_network(read_recipe(None, {"model": "resnet18", "weights": "none"}), ("a", "b"))
    swapped = backend.network.contract.model_copy(update={"channel_order": "BGR"})
    network = backend.network.model_copy(update={"contract": swapped})
    other = type(backend)(backend._model, network, ("a", "b"), backend._recipe)
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    torch.testing.assert_close(to_network(other, image), to_network(backend, image)[:, [2, 1, 0]], rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file(tmp_path: Path, suffix: str) -> None:
    source = timm.create_model("resnet18", num_classes=7)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(source.state_dict(), path)
    else:
        safetensors.torch.save_file(source.state_dict(), path)
    opened = open_base("resnet18", str(path))
    assert (opened.pretrained, opened.weights) == (True, f"from {path}")
    for name, tensor in opened.base.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name]), name


def test_weights_and_contract_from_a_folder_laid_out_like_the_hub(tmp_path: Path) -> None:
    source = timm.create_model("resnet18", num_classes=7)
    safetensors.torch.save_file(source.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "resnet18", "num_classes": 7, "num_features": 512,
        "pretrained_cfg": {
            "input_size": [3, 160, 160], "interpolation": "bilinear", "crop_pct": 0.9, "crop_mode": "squash",
            "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "num_classes": 7, "classifier": "fc", "first_conv": "conv1",
        },
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    opened = open_base("resnet18", str(tmp_path))
    assert opened.contract == InputContract(
        side_px=160,
        interpolation="bilinear",
        crop_fraction=0.9,
        crop_mode="squash",
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
    )
    assert torch.equal(opened.base.conv1.weight, source.conv1.weight)
    with pytest.raises(ModelError, match=r"holds a resnet18, the model asked for is resnet50: use model: resnet18"):
        open_base("resnet50", str(tmp_path))


def test_a_weights_file_of_another_architecture_is_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file(timm.create_model("resnet18").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"w\.safetensors can't be loaded into mobilenetv2_100"):
        open_base("mobilenetv2_100", str(tmp_path / "w.safetensors"))


def test_a_weights_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"conv1.weight": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth can't be loaded"):
        open_base("resnet18", str(tmp_path / "w.pth"))
    assert not (tmp_path / "ran").exists()


def test_a_missing_weights_file_and_a_misspelt_word() -> None:
    with pytest.raises(ModelError, match=r"weights: there is no file 'pretraind'.*Did you mean 'pretrained'\?"):
        open_base("resnet18", "pretraind")


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"no network 'resnet51'\. Did you mean 'resnet5"):
        open_base("resnet51", "none")
    with pytest.raises(ModelError, match=r"no network 'hf-hub:someone/thing'"):
        open_base("hf-hub:someone/thing", "pretrained")


def test_a_transformer_is_refused() -> None:
    with pytest.raises(ModelError, match=r"vit_tiny_patch16_224 can't be used"):
        open_base("vit_tiny_patch16_224", "none")


def test_no_hub_is_a_clear_error_with_ways_out() -> None:
    with pytest.raises(ModelError) as error:
        open_base("resnet18", "pretrained")
    for part in (
        "resnet18 can't be had (its hub can't be reached)",
        "weights: PATH",
        "model: efficientnet_lite0",
        "weights: none",
    ):
        assert part in str(error.value)


def test_pretrained_or_random_goes_on_and_says_so() -> None:
    opened = open_base("resnet18", "pretrained-or-random")
    assert (opened.pretrained, opened.weights) == (False, "random weights, because its hub can't be reached")


def test_a_network_without_published_weights_says_so() -> None:
    with pytest.raises(ModelError, match="none were published for it"):
        open_base("efficientnet_b0_g8_gn", "pretrained")


def test_the_list_of_models() -> None:
    names = [entry.name for entry in list_models()]
    assert names[0] == "efficientnet_lite0"
    assert {"resnet50", "densenet121", "vgg11_bn", "convnext_atto", "regnety_002"} <= set(names)
    assert {"resnet18", "resnet50"} <= {entry.name for entry in list_models("resnet*")}
    assert list_models("no-such-*") == []


def test_cuda_where_there_is_none_is_a_clear_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RecipeError, match="device: cuda was asked for, PyTorch finds no CUDA GPU here"):
        open_network(read_recipe(None, {"model": "resnet18", "weights": "none", "device": "cuda"}), ("a", "b"))


def test_the_seed_fixes_the_new_head_and_random_weights() -> None:
    def weights(seed: int) -> Snapshot:
        recipe = read_recipe(None, {"model": "mobilenetv3_small_050", "weights": "none", "seed": seed})
        return open_network(recipe, ("a", "b", "c")).snapshot()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["new_head.output.weight"], other["new_head.output.weight"])
    assert not np.array_equal(first["base.conv_stem.weight"], other["base.conv_stem.weight"])


def test_the_new_head_is_pooling_dense_dropout_dense() -> None:
    changes = {"model": "resnet18", "weights": "none", "head.hidden": [64, 32], "head.dropout": 0.4}
    head = open_network(read_recipe(None, changes), ("a", "b", "c"))._model.new_head
    kinds = [type(module).__name__ for module in head]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert [(m.in_features, m.out_features) for m in head if isinstance(m, torch.nn.Linear)] == [
        (512, 64),
        (64, 32),
        (32, 3),
    ]
    assert {m.p for m in head if isinstance(m, torch.nn.Dropout)} == {0.4}
    limit = (6 / (512 + 64)) ** 0.5
    assert 0.9 * limit < head.hidden1.weight.abs().max() <= limit
    assert not head.hidden1.bias.any()


def test_a_batch_of_one_is_predicted() -> None:
    backend = open_network(read_recipe(None, {"model": "resnet18", "weights": "none"}), ("a", "b"))
    one = Batch(np.zeros((1, 64, 64, 3), np.uint8), np.zeros(1, np.int64))
    assert backend.predict([one]).shape == (1, 2)


@pytest.mark.parametrize("model", ["resnet18.bogus", "resnet18.a1_in1k.more"])
def test_a_misspelt_tag_is_a_clear_error(model: str) -> None:
    for weights in ("pretrained", "none"):
        with pytest.raises(ModelError, match=f"no network '{model}'. Did you mean 'resnet18"):
            open_base(model, weights)


def test_a_tag_chooses_the_checkpoint_and_its_contract() -> None:
    assert open_base("resnet18.a1_in1k", "none").contract.crop_fraction == 0.95
    assert open_base("resnet18.tv_in1k", "none").contract.crop_fraction == 0.875


def test_a_side_the_network_can_not_take_is_refused_before_training() -> None:
    recipe = read_recipe(None, {"model": "hrnet_w18_small", "weights": "none", "input.side_px": 100})
    with pytest.raises(ModelError, match="hrnet_w18_small can't take 100 px: try 96, a multiple of 32"):
        open_network(recipe, ("a", "b"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "resnet51"}, "no network 'resnet51'"),
        ({"weights": "missing.safetensors"}, "there is no file 'missing.safetensors'"),
        ({"device": "cuda"}, "PyTorch finds no CUDA GPU here"),
    ],
)
def test_what_needs_no_pictures_is_checked_before_they_are_read(changes: dict[str, str], message: str) -> None:
    if "device" in changes and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises((ModelError, RecipeError), match=message):
        check(read_recipe(None, changes))
