"""The networks of keras.applications: their input contracts, stages, weights files; what happens where there is no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import timm

from unfreeze.backends.torch import stages as torch_stages
from unfreeze.backends.torch.networks import create_base

from unfreeze.backends.tensorflow import site  # isort: skip
import keras  # isort: skip
from keras.src.legacy.saving import legacy_h5_format  # isort: skip
from keras.src.utils import file_utils  # isort: skip

from unfreeze.backends.tensorflow.applications import (
    TESTED,
    check,
    contract_of,
    minimum_side_px,
    names,
    open_application,
)
from unfreeze.backends.tensorflow.stages import stages_of
from unfreeze.errors import ModelError, RecipeError

ONE_OF_EACH_MODULE = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3", "MobileNet",
    "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip
TESTED_STAGES = {  # without the stem
    "ResNet50": 4, "ResNet50V2": 4, "MobileNet": 5, "MobileNetV2": 7, "MobileNetV3Small": 6, "EfficientNetB0": 7,
    "EfficientNetV2B0": 6, "DenseNet121": 4, "VGG16": 4, "InceptionV3": 12, "Xception": 13, "ConvNeXtTiny": 4,
    "NASNetMobile": 3,
}  # fmt: skip
SMALL = "MobileNet"  # the quickest to build


def test_the_names_are_kerass_and_none_is_timms() -> None:
    assert {*TESTED, *ONE_OF_EACH_MODULE, "EfficientNetB7", "NASNetLarge"} <= set(names())
    assert not [name for name in names() if timm.is_model(name)]


@pytest.mark.parametrize("name", ONE_OF_EACH_MODULE)
def test_the_contract_does_what_the_networks_own_preprocessing_does(name: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    contract = contract_of(name)
    values = (picture / 255 - contract.mean) / contract.std
    ours = values if contract.channel_order == "RGB" else values[..., ::-1]
    module = getattr(keras.applications, name).__module__.rsplit(".", 1)[-1]
    theirs = getattr(keras.applications, module).preprocess_input(picture.astype(np.float32))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


def test_the_three_conventions_as_published() -> None:
    caffe, tf, inside = contract_of("VGG16"), contract_of("MobileNetV2"), contract_of("EfficientNetB0")
    assert caffe.channel_order == "BGR"
    np.testing.assert_allclose(np.multiply(caffe.mean, 255), (123.68, 116.779, 103.939), atol=1e-6)
    assert (tf.channel_order, tf.mean, tf.std) == ("RGB", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (inside.channel_order, inside.mean) == ("RGB", (0.0, 0.0, 0.0))


def test_the_sides_networks_were_made_for_and_the_least_they_take() -> None:
    wanted = {
        "ResNet50": (224, 32), "MobileNetV3Large": (224, 32), "EfficientNetB1": (240, 32), "EfficientNetB7": (600, 32),
        "EfficientNetV2L": (480, 32), "InceptionV3": (299, 75), "Xception": (299, 71), "NASNetMobile": (224, 32),
        "NASNetLarge": (331, 32), "InceptionResNetV2": (299, 75),
    }  # fmt: skip
    assert {name: (contract_of(name).side_px, minimum_side_px(name)) for name in wanted} == wanted


def test_a_side_too_small_is_refused_as_the_planner_does() -> None:
    message = r"input.side_px: 64 is too small for Xception: give at least 71 \(its checkpoint was made for 299\)"
    with pytest.raises(RecipeError, match=message):
        open_application("Xception", "none", 64)


@pytest.mark.parametrize("name", TESTED)
def test_every_layer_with_weights_is_in_one_stage_in_order(name: str) -> None:
    opened = open_application(name, "none", minimum_side_px(name))
    assert len(opened.stages) - 1 == TESTED_STAGES[name]
    layers = [layer for stage in opened.stages for layer in stage.layers]
    assert [layer.path for layer in layers] == [layer.name for layer in opened.base.layers if layer.weights]
    assert sum(layer.parameters for layer in layers) == sum(
        weight.shape.num_elements() for weight in opened.base.trainable_weights
    )
    assert opened.stages[0].name == "stem" and all(stage.layers[0].parameters for stage in opened.stages[1:])
    assert all(any(layer.counts for layer in stage.layers) for stage in opened.stages)
    assert opened.base.input_shape == (None, opened.contract.side_px, opened.contract.side_px, 3)
    assert len(opened.base.output_shape) == 2
    assert (opened.architecture, opened.weights, opened.pretrained) == (name, "random weights", False)


@pytest.mark.parametrize(
    ("name", "first_layers"),
    [
        ("ResNet50", ["conv1_conv", *(f"conv{number}_block1_1_conv" for number in (2, 3, 4, 5))]),
        ("VGG16", [f"block{number}_conv1" for number in (1, 2, 3, 4, 5)]),
        ("EfficientNetB0", ["normalization", "block1a_dwconv", *(f"block{number}a_expand_conv" for number in range(2, 8))]),
    ],
)
def test_stages_begin_where_the_families_papers_say(name: str, first_layers: list[str]) -> None:
    stages = open_application(name, "none", minimum_side_px(name)).stages
    assert [stage.layers[0].path for stage in stages] == first_layers


@pytest.mark.parametrize(
    ("ours", "timms"), [("MobileNetV2", "mobilenetv2_100"), ("DenseNet121", "densenet121"), ("MobileNet", "mobilenetv1_100")]
)
def test_the_stages_are_timms(ours: str, timms: str) -> None:
    theirs = torch_stages.stages_of(create_base(timms))
    assert [stage.parameters for stage in open_application(ours, "none", 32).stages] == [stage.parameters for stage in theirs]


def test_the_names_of_layers_are_the_same_each_time() -> None:
    first, again = (open_application("InceptionV3", "none", 75).stages for _ in range(2))
    assert first == again and first[0].layers[0].path == "conv2d"


def test_a_network_with_unknown_layers_has_no_stages() -> None:
    unknown = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()], name="other")
    with pytest.raises(ModelError, match="no stages are known for other"):
        stages_of(unknown)


def test_the_seed_fixes_random_weights() -> None:
    def kernel(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        return open_application(SMALL, "none", 32).base.get_layer("conv1").get_weights()[0]

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))


def _keras_3(model: keras.Model, folder: Path) -> Path:
    model.save_weights(folder / "saved.weights.h5")
    return folder / "saved.weights.h5"


def _whole_keras_3(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "saved.keras")
    return folder / "saved.keras"


def _keras_2(model: keras.Model, folder: Path) -> Path:
    with h5py.File(folder / "saved.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return folder / "saved.h5"


def _whole_keras_2(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "saved.h5")
    return folder / "saved.h5"


def _with_other_statistics(model: keras.Model) -> keras.Model:
    """Fresh statistics are all the same, and would pass for loaded ones."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([generator.uniform(0.5, 1.5, tensor.shape) for tensor in layer.get_weights()])
    return model


def _same_weights(base: keras.Model, source: keras.Model) -> bool:
    layers, sources = ([layer for layer in model.layers if layer.weights] for model in (base, source))
    pairs = [
        pair for layer, other in zip(layers, sources, strict=False) for pair in zip(layer.weights, other.weights, strict=True)
    ]
    return len(layers) <= len(sources) and all(np.array_equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize("save", [_keras_3, _whole_keras_3, _keras_2, _whole_keras_2])
@pytest.mark.parametrize("classifier", [{"include_top": False}, {"include_top": True, "classes": 7}])
def test_weights_from_a_file(tmp_path: Path, save: Callable[..., Path], classifier: dict[str, object]) -> None:
    source = _with_other_statistics(getattr(keras.applications, SMALL)(weights=None, input_shape=(64, 64, 3), **classifier))
    path = save(source, tmp_path)
    check(SMALL, str(path))
    opened = open_application(SMALL, str(path), 32)
    assert (opened.pretrained, opened.weights) == (True, f"from {path}")
    assert _same_weights(opened.base, source)


@pytest.mark.parametrize("save", [_keras_3, _keras_2])
@pytest.mark.parametrize("name", ["ConvNeXtTiny", "MobileNetV3Small"])
def test_weights_of_nested_models_and_of_larger_classifiers(tmp_path: Path, name: str, save: Callable[..., Path]) -> None:
    source = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=7)
    path = save(source, tmp_path)
    assert _same_weights(open_application(name, str(path), 32).base, source)


@pytest.mark.parametrize("save", [_keras_3, _whole_keras_3, _keras_2, _whole_keras_2])
def test_a_file_of_another_architecture_is_refused(tmp_path: Path, save: Callable[..., Path]) -> None:
    path = save(open_application("MobileNet", "none", 32).base, tmp_path)
    with pytest.raises(ModelError) as error:
        open_application("MobileNetV2", str(path), 32)
    assert str(error.value).startswith(f"weights: {path} can't be loaded into MobileNetV2: ")
    assert "with or without its classifier" in str(error.value)
    assert ("It holds a 'mobilenet_1.00_32'" in str(error.value)) == (save in (_whole_keras_3, _whole_keras_2))


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"saved{suffix}"
    path.write_bytes(b"not a file of weights")
    with pytest.raises(ModelError, match=r"saved\S+ can't be loaded into MobileNet: "):
        open_application(SMALL, str(path), 32)


def test_a_missing_file_a_misspelt_word_and_a_file_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file 'pretraind'.*Did you mean 'pretrained'\?"):
        check(SMALL, "pretraind")
    with pytest.raises(ModelError, match=r"there is no file"):
        check(SMALL, str(tmp_path))
    (tmp_path / "w.pth").touch()
    with pytest.raises(ModelError, match=r"w\.pth' isn't a file of Keras weights: give a \.weights\.h5, \.h5 or \.keras file"):
        check(SMALL, str(tmp_path / "w.pth"))


def test_an_unknown_network_names_the_nearest() -> None:
    for refuse in (lambda: check("ResNet51", "none"), lambda: open_application("ResNet51", "none", "auto")):
        with pytest.raises(ModelError, match=r"no network 'ResNet51' in keras\.applications\. Did you mean 'ResNet50'\?"):
            refuse()


def test_no_network_is_a_clear_error_with_ways_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError) as error:
        open_application(SMALL, "pretrained", 32)
    for part in (
        "the pretrained weights of MobileNet can't be had (Keras's site can't be reached)",
        "weights: PATH",
        "model: efficientnet_lite0",
        "weights: none",
    ):
        assert part in str(error.value)
    assert capsys.readouterr().out == ""


def test_pretrained_or_random_goes_on_and_says_so() -> None:
    opened = open_application(SMALL, "pretrained-or-random", 32)
    assert (opened.pretrained, opened.weights) == (False, "random weights, because Keras's site can't be reached")


def test_what_kerass_site_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_file(*_: object, **__: object) -> str:
        raise Exception("URL fetch failure on https://example.org/w.h5: 404 -- Not Found")

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setattr(site, "is_reachable", lambda _: True)
    with pytest.raises(ModelError, match=r"can't be had \(URL fetch failure on https://example\.org/w\.h5: 404 -- Not Found\)"):
        open_application(SMALL, "pretrained", 32)


def test_efficientnet_computes_the_same_from_the_site_and_from_a_copy_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_application("EfficientNetB0", "none", 32).base
    published = [np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)]
    source.get_layer("normalization").set_weights(published)
    path = _keras_2(source, tmp_path)
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: path)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    options = {"include_top": False, "input_shape": (32, 32, 3), "pooling": "avg"}
    kerass = keras.applications.EfficientNetB0(weights="imagenet", **options)(pictures)
    downloaded, copied = open_application("EfficientNetB0", "pretrained", 32), open_application("EfficientNetB0", str(path), 32)
    for opened in (downloaded, copied):
        np.testing.assert_allclose(opened.base(pictures), kerass, rtol=1e-4, atol=1e-6)
        assert len(opened.base.layers) == len(source.layers)
    assert (downloaded.pretrained, downloaded.weights) == (True, "pretrained: ImageNet weights of keras.applications")


def test_a_network_survives_saving_with_built_in_layers_only(tmp_path: Path) -> None:
    base = open_application("ConvNeXtTiny", "none", 32).base  # the only one with layers of its own
    base.save(tmp_path / "saved.keras")
    assert _same_weights(keras.models.load_model(tmp_path / "saved.keras"), base)
