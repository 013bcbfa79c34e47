"""Recipes from files, presets and flags."""

from __future__ import annotations

import pytest

from support.made_up import small_network
from unfreeze.errors import RecipeError
from unfreeze.recipe.read import parse_assignment, preset_names, read_recipe
from unfreeze.recipe.recipe import Recipe
from unfreeze.recipe.strategies import make_phases


def message(source, changes=None):
    with pytest.raises(RecipeError) as caught:
        read_recipe(source, changes)
    return str(caught.value)


def written(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_no_source_is_the_defaults():
    assert read_recipe(None) == Recipe()


def test_a_file(tmp_path):
    path = written(tmp_path, "seed: 3\nhead: {dropout: 0.5}\ndata: {classes: [Käfer, 鳥]}\n")
    for source in (path, str(path)):
        recipe = read_recipe(source)
        assert (recipe.seed, recipe.head.dropout, recipe.data.classes) == (3, 0.5, ("Käfer", "鳥"))


def test_numbers_without_a_dot_which_yaml_takes_for_text(tmp_path):
    recipe = read_recipe(written(tmp_path, "unfrozen: {rate: 1e-4, optimizer: {weight_decay: 1e-2, clip_norm: 1e0}}"))
    assert (recipe.unfrozen.rate, recipe.unfrozen.optimizer.weight_decay) == (1e-4, 1e-2)
    assert recipe.unfrozen.optimizer.clip_norm == 1.0


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_is_the_defaults(tmp_path, content):
    assert read_recipe(written(tmp_path, content)) == Recipe()


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert read_recipe(written(tmp_path, b"\xef\xbb\xbfseed: 3\n")).seed == 3


def test_mistakes_in_a_file_name_the_file(tmp_path):
    path = written(tmp_path, "sed: 3\nhead: {dropuot: 0.5}\n")
    assert message(path) == (
        f"2 mistakes in {path}:\n"
        "  head.dropuot: there is no such key. Did you mean 'dropout'?\n"
        "  sed: there is no such key. Did you mean 'seed'?"
    )


def test_a_missing_file_names_the_nearest_preset():
    assert message("exercize") == (
        "no recipe 'exercize': it is neither a file nor one of the recipes that ship (exercise). Did you mean 'exercise'?"
    )


def test_a_missing_file_with_no_preset_near(tmp_path):
    path = tmp_path / "zzz.yaml"
    assert message(path) == f"no recipe '{path}': it is neither a file nor one of the recipes that ship (exercise)."


def test_a_folder_is_no_recipe(tmp_path):
    assert message(tmp_path).startswith(f"no recipe '{tmp_path}': it is neither a file nor one of the recipes that ship")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("head: [1", "expected ',' or ']'"),
        ("seed: \x07", "special characters are not allowed"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("seed: 1\n---\nseed: 2\n", "expected a single document"),
        ("{[1]: 2}", "found unhashable key"),
        ("seed: 2026-13-01", "month must be in 1..12"),
    ],
)
def test_not_yaml(tmp_path, content, what):
    path = written(tmp_path, content)
    assert message(path).startswith(f"{path} isn't valid YAML: ")
    assert what in message(path)


@pytest.mark.parametrize("content", ["seed: 1\nmodel: x\nseed: 2\n", "head: {seed: 1, seed: 1}"])
def test_a_key_given_twice_is_refused(tmp_path, content):
    assert "isn't valid YAML: 'seed' is given twice" in message(written(tmp_path, content))


def test_a_merged_key_may_be_given_again(tmp_path):
    content = "head_only: &slow {rate: 0.5, epochs: 3}\nunfrozen: {<<: *slow, epochs: 4}\n"
    recipe = read_recipe(written(tmp_path, content))
    assert (recipe.unfrozen.rate, recipe.unfrozen.epochs, recipe.head_only.epochs) == (0.5, 4, 3)


@pytest.mark.parametrize(("content", "kind"), [("- seed: 1\n", "list"), ("seed 1\n", "str"), ("3\n", "int")])
def test_something_other_than_a_mapping(tmp_path, content, kind):
    path = written(tmp_path, content)
    assert message(path) == f"{path} holds a {kind}: a recipe is a list of `name: value` lines"


def test_not_utf_8(tmp_path):
    path = written(tmp_path, "model: K\xe4fer".encode("latin-1"))
    assert message(path).startswith(f"{path} can't be read as text (")
    assert message(path).endswith("): a recipe is a YAML file in UTF-8")


def test_changes_win_over_the_file_and_keep_the_rest(tmp_path):
    path = written(tmp_path, "seed: 3\nhead: {dropout: 0.5, hidden: [8]}\n")
    recipe = read_recipe(path, {"head.dropout": 0.1, "unfrozen.optimizer.name": "sgd", "watch": "val_accuracy"})
    assert (recipe.seed, recipe.head.dropout, recipe.head.hidden) == (3, 0.1, (8,))
    assert (recipe.unfrozen.optimizer.name, recipe.watch) == ("sgd", "val_accuracy")


def test_mistakes_of_changes_and_file_come_together(tmp_path):
    path = written(tmp_path, "seed: 3\nmodle: x\n")
    assert message(path, {"seed.x": 1, "head.dropuot": 2}) == (
        f"3 mistakes in {path}:\n"
        "  seed.x: seed is a value and has no parts\n"
        "  head.dropuot: there is no such key. Did you mean 'dropout'?\n"
        "  modle: there is no such key. Did you mean 'model'?"
    )


def test_a_class_weight_by_dotted_name():
    changes = {"imbalance.class_weights.cat": 2, "imbalance.class_weights.dog": 0.5}
    assert read_recipe(None, changes).imbalance.class_weights == {"cat": 2.0, "dog": 0.5}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("head.dropout=0.5", ("head.dropout", 0.5)),
        (" head.dropout = 0.5 ", ("head.dropout", 0.5)),
        ("model=resnet50", ("model", "resnet50")),
        ("head.hidden=[256, 64]", ("head.hidden", [256, 64])),
        ("augment.flip=no", ("augment.flip", False)),
        ("unfrozen.stopping.patience_epochs=null", ("unfrozen.stopping.patience_epochs", None)),
        ("imbalance.class_weights={cat: 2, a=b: 1}", ("imbalance.class_weights", {"cat": 2, "a=b": 1})),
        ("weights=a=b", ("weights", "a=b")),
    ],
)
def test_assignments(text, parsed):
    assert parse_assignment(text) == parsed


@pytest.mark.parametrize("text", ["head.dropout", "=3", " =3", ""])
def test_an_assignment_without_name_or_equals(text):
    with pytest.raises(RecipeError) as caught:
        parse_assignment(text)
    assert str(caught.value) == f"--set {text}: write it as NAME=VALUE, for example --set head.dropout=0.5"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("[1", "while parsing a flow sequence"),
        ("2026-02-30", "day is out of range for month"),
        ("{a: 1, a: 2}", "'a' is given twice"),
        ("!!python/name:os.system", "could not determine a constructor"),
    ],
)
def test_an_assignment_whose_value_is_not_yaml(value, what):
    with pytest.raises(RecipeError, match="the value can't be read as YAML") as caught:
        parse_assignment(f"head.hidden={value}")
    assert str(caught.value).startswith(f"--set head.hidden={value}: ")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets_that_ship():
    assert "exercise" in preset_names()
    assert all(isinstance(read_recipe(name), Recipe) for name in preset_names())


def test_the_exercise_is_the_steps_of_the_textbook():
    recipe = read_recipe("exercise")
    head, top = make_phases(small_network(), recipe)
    assert recipe.model == "resnet50"
    assert (head.boundary, head.epochs, head.frozen_parameters) == ("head", 5, 1760)
    assert head.stopping.patience_epochs is None  # all five epochs
    assert top.boundary == "stage3"  # the last stage below the head
    assert top.rate < head.rate
    assert recipe.head.hidden
    assert recipe.head.dropout > 0
    assert top.optimizer.l2 > 0
    assert top.schedule.name == "plateau"
    assert top.stopping.patience_epochs is not None
    # The rate must have a chance to be reduced before the phase ends.
    assert top.schedule.patience_epochs < top.stopping.patience_epochs < top.epochs


def test_a_preset_with_changes():
    recipe = read_recipe("exercise", {"model": "efficientnet_lite0", "unfrozen.epochs": 2})
    assert (recipe.model, recipe.unfrozen.epochs, recipe.head_only.epochs) == ("efficientnet_lite0", 2, 5)
