"""What a recipe refuses, and in which words."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from support.made_up import small_network, small_plan
from unfreeze.errors import RecipeError, UnfreezeError
from unfreeze.recipe.plan import Plan
from unfreeze.recipe.read import preset_names, read_recipe, validate_recipe, write_yaml
from unfreeze.recipe.recipe import Optimizer, Recipe

EVERYTHING_ON = {
    "framework": "torch",
    "model": "resnet18",
    "weights": "pretrained-or-random",
    "strategy": "gradual",
    "seed": 7,
    "device": "cuda",
    "precision": "bfloat16",
    "watch": "val_accuracy",
    "label_smoothing": 0.05,
    "calibrate": False,
    "data": {"validation_fraction": 0.2, "test_fraction": 0.0, "classes": ["owl", "Käfer, schwarz", "no"]},
    "input": {"side_px": 96, "batch_size": 8, "loader_threads": 3},
    "augment": {"crop_min_area": 1, "flip": False, "rotation_degrees": 0, "jitter": 0},
    "head": {"hidden": [64, 32], "dropout": 0.0},
    "head_only": {
        "epochs": 1,
        "rate": 1,
        "optimizer": {"name": "sgd", "momentum": 0.0, "weight_decay": 0, "l2": 1e-5, "clip_norm": None},
        "schedule": {"name": "step", "warmup_epochs": 0.5, "step_epochs": 1, "factor": 0.3},
        "stopping": {"patience_epochs": None},
    },
    "unfrozen": {
        "epochs": 100_000,
        "rate": 1e-9,
        "optimizer": {"name": "adamw", "weight_decay": 0.1, "clip_norm": 1e-3},
        "schedule": {"name": "plateau", "factor": 0.9, "patience_epochs": 1, "floor": 0.01},
        "stopping": {"patience_epochs": 1, "min_delta": 0.001},
    },
    "unfreeze": {"stages": 3, "rate_factor": 1.0, "batchnorm": "update"},
    "imbalance": {
        "class_weights": {"owl": 2.0, "Käfer, schwarz": 0.5, "no": 1},
        "loss": "focal",
        "gamma": 1.5,
    },
}


def mistakes(values):
    """The lines of the message, the first without its colon."""
    with pytest.raises(RecipeError) as caught:
        validate_recipe(values)
    first, *lines = str(caught.value).splitlines()
    assert first == f"{len(lines)} mistake{'s' if len(lines) > 1 else ''} in the recipe:"
    assert all(line.startswith("  ") for line in lines)
    return [line[2:] for line in lines]


def nested(dotted, value):
    for key in reversed(dotted.split(".")):
        value = {key: value}
    return value


def test_an_empty_recipe_is_the_defaults():
    assert validate_recipe({}) == Recipe()


def test_every_option_is_taken_as_given():
    dumped = validate_recipe(EVERYTHING_ON).model_dump(mode="json", exclude_unset=True)
    assert dumped == EVERYTHING_ON


def test_a_recipe_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().seed = 3


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"stratgy": "full"}, "stratgy: there is no such key. Did you mean 'strategy'?"),
        ({"head": {"dropuot": 0.1}}, "head.dropuot: there is no such key. Did you mean 'dropout'?"),
        (
            {"unfrozen": {"optimizer": {"weigth_decay": 0.1}}},
            "unfrozen.optimizer.weigth_decay: there is no such key. Did you mean 'weight_decay'?",
        ),
        (
            {"head_only": {"stopping": {"patience": 1}}},
            "head_only.stopping.patience: there is no such key. Did you mean 'patience_epochs'?",
        ),
        ({"head": {"zzz": 1}}, "head.zzz: there is no such key. Known here: dropout, hidden."),
        ({1: 2}, "1: should be a name, received 1."),
    ],
)
def test_unknown_keys(values, line):
    assert mistakes(values) == [line]


def test_an_unknown_key_with_nothing_near_lists_what_there_is():
    (line,) = mistakes({"xyzzy": 1})
    assert line.startswith("xyzzy: there is no such key. Known here: augment, budget, cache, calibrate, checkpoint_minutes, ")


def test_all_mistakes_come_at_once():
    found = mistakes(
        {
            "sed": 1,
            "strategy": "ful",
            "head": {"dropout": 2, "hiden": []},
            "unfrozen": {"optimizer": {"name": "adma"}, "epochs": "many"},
        }
    )
    assert sorted(line.split(":")[0] for line in found) == [
        "head.dropout", "head.hiden", "sed", "strategy", "unfrozen.epochs", "unfrozen.optimizer.name",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dotted", "value", "what"),
    [
        ("strategy", "ful", "'gradual' or 'auto', received 'ful'. Did you mean 'full'?"),
        ("device", "gpu", "should be 'auto', 'cpu' or 'cuda', received 'gpu'."),
        ("watch", "val_acc", "Did you mean 'val_accuracy'?"),
        ("seed", -1, "greater than or equal to 0, received -1."),
        ("seed", 2**31, "less than 2147483648"),
        ("seed", 1.5, "a valid integer, got a number with a fractional part, received 1.5."),
        ("label_smoothing", 1, "less than 1, received 1."),
        ("weights", None, "should be a valid string, received None."),
        ("head.dropout", "much", "a valid number, unable to parse string as a number, received 'much'."),
        ("head.dropout", -0.1, "greater than or equal to 0"),
        ("head.hidden", 256, "should be a list, received 256."),
        ("head.hidden.0", 5, "should be a list, received {'0': 5}."),
        ("augment.flip", "perhaps", "a valid boolean"),
        ("augment.crop_min_area", 0, "greater than 0, received 0."),
        ("augment.rotation_degrees", 181, "less than or equal to 180"),
        ("augment.jitter", 1, "less than 1"),
        ("input.side_px", 7, "should be greater than or equal to 8, or 'auto', received 7."),
        ("input.batch_size", 1, "should be greater than or equal to 2, or 'auto', received 1."),
        ("input.loader_threads", "atuo", "or 'auto', received 'atuo'. Did you mean 'auto'?"),
        ("head_only.epochs", 0, "greater than or equal to 1"),
        ("unfrozen.rate", 0, "greater than 0, or 'auto', received 0."),
        ("unfrozen.rate", -1e-3, "greater than 0"),
        ("unfrozen.rate", float("nan"), "a finite number, or 'auto', received nan."),
        ("unfrozen.rate", float("inf"), "a finite number, or 'auto', received inf."),
        ("unfrozen.schedule.factor", 1, "less than 1"),
        ("unfrozen.schedule.warmup_epochs", float("inf"), "a finite number"),
        ("unfrozen.schedule.floor", float("nan"), "a finite number"),
        ("unfrozen.stopping.patience_epochs", 0, "greater than or equal to 1"),
        ("unfrozen.stopping.min_delta", -1, "greater than or equal to 0"),
        ("unfrozen.optimizer.clip_norm", 0, "greater than 0"),
        ("unfrozen.optimizer.weight_decay", -1, "greater than or equal to 0, or 'auto', received -1."),
        ("unfrozen.optimizer.weight_decay", float("inf"), "a finite number, or 'auto', received inf."),
        ("unfreeze.rate_factor", 1.01, "less than or equal to 1"),
        ("unfreeze.stages", 0, "greater than or equal to 1"),
        ("unfreeze.batchnorm", "frosen", "Did you mean 'frozen'?"),
        ("imbalance.class_weights", "blanced", "received 'blanced'. Did you mean 'balanced'?"),
        (
            "imbalance.class_weights",
            5,
            "should be 'none', 'balanced', 'inverse-sqrt' or 'effective', or `name: value` lines, received 5.",
        ),
        ("imbalance.class_weights", "inverse_sqrt", "Did you mean 'inverse-sqrt'?"),
        ("imbalance.beta", 1, "less than 1, received 1."),
        ("imbalance.loss", "logit-adjustment", "Did you mean 'logit-adjusted'?"),
        ("imbalance.gamma", 0, "greater than 0, received 0."),
        ("imbalance.tau", 0, "greater than 0, received 0."),
        ("watch", "macro_f1", "Did you mean 'val_macro_f1'?"),
        ("data.validation_fraction", 0, "greater than 0"),
        ("data.classes", "cat", "should be a list, received 'cat'."),
    ],
)
def test_one_wrong_value_is_one_line_by_its_dotted_name(dotted, value, what):
    (line,) = mistakes(nested(dotted, value))
    name = dotted.removesuffix(".0")
    assert line.startswith(f"{name}: should be ")
    assert what in line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"head": 5}, "head has parts: hidden, dropout. Received 5."),
        (
            {"unfrozen": {"optimizer": "adam"}},
            "unfrozen.optimizer has parts: name, momentum, weight_decay, l2, l2_sp, clip_norm. Received 'adam'.",
        ),
    ],
)
def test_a_value_in_the_place_of_a_section(values, line):
    assert mistakes(values) == [line]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"unfrozen": {"optimizer": {"name": "adam", "weight_decay": 0.1}}},
            "unfrozen.optimizer: weight_decay is decoupled decay, which adam hasn't: use name: adamw, or l2 for a true L2"
            " penalty",
        ),
        (
            {"head_only": {"optimizer": {"name": "sgd", "weight_decay": 0.1}}},
            "head_only.optimizer: weight_decay is decoupled decay, which sgd hasn't: use name: adamw, or l2 for a true L2"
            " penalty",
        ),
        (
            {"unfrozen": {"optimizer": {"name": "adamw", "l2": 0.1}}},
            "unfrozen.optimizer: l2 is a penalty in the loss, which adamw replaces: use weight_decay, or name: adam or sgd",
        ),
        (
            {"unfreeze": {"stages": 1, "layers": 2}},
            "unfreeze: stages: 1 and layers: 2 say the same thing twice: give one of them",
        ),
        (
            {"imbalance": {"class_weights": "effective", "oversample": True}},
            "imbalance: class_weights and oversample each make up for rare classes, together they do it more than once: choose"
            " one",
        ),
        (
            {"imbalance": {"class_weights": {"cat": 2}, "loss": "logit-adjusted"}},
            "imbalance: class_weights and loss: logit-adjusted each make up for rare classes, together they do it more than"
            " once: choose one",
        ),
        (
            {"imbalance": {"oversample": True, "class_weights": "balanced", "loss": "logit-adjusted"}},
            "imbalance: class_weights and oversample and loss: logit-adjusted each make up for rare classes, together they do"
            " it more than once: choose one",
        ),
        (
            {"imbalance": {"loss": "cross-entropy", "gamma": 5}},
            "imbalance: gamma: 5 has no effect without loss: focal: give both, or neither",
        ),
        (
            {"imbalance": {"class_weights": "balanced", "beta": 0.9}},
            "imbalance: beta: 0.9 has no effect without class_weights: effective: give both, or neither",
        ),
        (
            {"strategy": "gradual", "unfreeze": {"layers": 2}},
            "unfreeze.layers: gradual unfreezes stage by stage: give unfreeze.stages instead",
        ),
        (
            {"data": {"validation_fraction": 0.5, "test_fraction": 0.5}},
            "data: validation_fraction and test_fraction leave nothing to train on: make their sum less than 1",
        ),
        ({"data": {"classes": []}}, "data: classes: [] won't do: give at least two classes, each of them once"),
        (
            {"data": {"classes": ["a", "b", "a"]}},
            "data: classes: ['a', 'b', 'a'] won't do: give at least two classes, each of them once",
        ),
    ],
)
def test_options_that_contradict(values, line):
    assert mistakes(values) == [line]


@pytest.mark.parametrize(
    "values",
    [
        {"unfrozen": {"optimizer": {"name": "adam", "weight_decay": 0}}},
        {"unfrozen": {"optimizer": {"name": "sgd", "l2": 0.1}}},
        {"unfreeze": {"layers": 2}, "strategy": "fine-tune-top"},
        {"imbalance": {"oversample": True}},
        {"imbalance": {"class_weights": "balanced", "oversample": False}},
        {"imbalance": {"class_weights": "inverse-sqrt", "loss": "focal"}},
        {"imbalance": {"oversample": True, "loss": "focal", "gamma": 0.5}},
        {"imbalance": {"loss": "logit-adjusted", "tau": 1.5}},
        {"data": {"validation_fraction": 0.49, "test_fraction": 0.5}},
        {"data": {"classes": None}},
    ],
)
def test_options_that_go_together(values):
    assert validate_recipe(values).model_dump(exclude_unset=True) == values


def test_class_weights_by_name():
    weights = {"cat": 2.0, "Käfer, schwarz": 0.5, "a.b": 1.0}
    assert validate_recipe({"imbalance": {"class_weights": weights}}).imbalance.class_weights == weights


def test_a_wrong_class_weight_is_named_whatever_the_class_is_called():
    names = ["cat", "int", "a[1]", "[key]", "literal['none']"]
    assert mistakes({"imbalance": {"class_weights": dict.fromkeys(names, -1) | {"dog": 2}}}) == [
        f"imbalance.class_weights.{name}: should be greater than 0, received -1." for name in names
    ]


def test_names_that_yaml_reads_as_something_else():
    values = yaml.safe_load("{data: {classes: [7, no, cat]}, imbalance: {class_weights: {0: 2.0}}}")
    assert mistakes(values) == [
        "data.classes.0: should be a valid string, received 7. Put it in quotes.",
        "data.classes.1: should be a valid string, received False. Put it in quotes.",
        "imbalance.class_weights.0: should be a valid string, received 0. Put it in quotes.",
    ]


def test_contradiction_where_the_optimizer_is_built_in_python():
    with pytest.raises(ValidationError, match="decoupled decay, which sgd hasn't"):
        Optimizer(name="sgd", weight_decay=0.1)


def test_a_recipe_error_is_an_unfreeze_error():
    with pytest.raises(UnfreezeError):
        validate_recipe({"seed": -1})


def recipes():
    """Recipes with every section drawn."""
    small, open_unit = st.floats(1e-9, 10), st.floats(0, 0.99)
    decay = st.one_of(
        st.fixed_dictionaries({"name": st.just("adamw"), "weight_decay": st.just("auto") | st.floats(0, 1)}),
        st.fixed_dictionaries({"name": st.sampled_from(["adam", "sgd"]), "l2": st.floats(0, 1), "momentum": open_unit}),
    )
    schedule = st.fixed_dictionaries(
        {"name": st.sampled_from(["constant", "step", "cosine", "plateau"]), "floor": open_unit},
        optional={"warmup_epochs": st.floats(0, 5), "factor": st.floats(0.01, 0.99)},
    )
    phase = st.fixed_dictionaries({"epochs": st.integers(6, 1000), "rate": small, "optimizer": decay, "schedule": schedule})
    # Without line ends: PyYAML writes some of them as they are and folds them to a space on reading.
    names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)
    return st.fixed_dictionaries(
        {"head_only": phase, "unfrozen": phase},
        optional={
            "model": names,
            "data": st.fixed_dictionaries({"classes": st.lists(names, min_size=2, max_size=4, unique=True)}),
            "imbalance": st.fixed_dictionaries({"class_weights": st.dictionaries(names, small, max_size=3)}),
            "head": st.fixed_dictionaries({"hidden": st.lists(st.integers(1, 9), max_size=3), "dropout": open_unit}),
        },
    ).map(validate_recipe)


@settings(deadline=None, max_examples=40)
@given(recipe=recipes())
def test_round_trip_of_any_recipe(recipe, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "recipe.yaml"
    write_yaml(recipe, path)
    assert read_recipe(path) == recipe


def test_round_trip_with_every_option_and_of_every_preset(tmp_path):
    for recipe in [Recipe(), validate_recipe(EVERYTHING_ON), *map(read_recipe, preset_names())]:
        write_yaml(recipe, tmp_path / "recipe.yaml")
        assert read_recipe(tmp_path / "recipe.yaml") == recipe


def values_in(tree):
    if isinstance(tree, dict):
        return [value for inner in tree.values() for value in values_in(inner)]
    return [value for inner in tree for value in values_in(inner)] if isinstance(tree, list) else [tree]


@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tune-top", "full", "gradual"])
@pytest.mark.parametrize("pretrained", [True, False])
def test_plan_round_trip_and_nothing_in_it_says_auto(strategy, pretrained, tmp_path):
    recipe = validate_recipe({"strategy": strategy})
    plan = small_plan(recipe, network=small_network(pretrained), class_weights={"cat": 1.5, "dog": 0.5, "owl": 1.0})
    write_yaml(plan, tmp_path / "plan.yaml")
    written = yaml.safe_load((tmp_path / "plan.yaml").read_text(encoding="utf-8"))
    assert Plan.model_validate(written) == plan
    assert "auto" not in values_in(written)
    assert plan.epochs == sum(phase["epochs"] for phase in written["phases"])


def test_a_warm_up_as_long_as_its_phase_is_refused():
    with pytest.raises(RecipeError, match=r"unfrozen: schedule.warmup_epochs: 3 leaves nothing of 3 epochs: give less"):
        read_recipe(None, {"unfrozen.epochs": 3, "unfrozen.schedule.warmup_epochs": 3})
