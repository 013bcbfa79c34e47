"""Which pictures are worth a look."""

from __future__ import annotations

import numpy as np

from unfreeze.report.confused import Pair, most_confused
from unfreeze.report.examples import choose_examples
from unfreeze.training.run_folder import Predicted


def predicted_of(*rows: tuple[str, int, list[float]]) -> Predicted:
    names, labels, probabilities = zip(*rows, strict=True)
    return Predicted(names, np.array(labels), np.array(probabilities))


PREDICTED = predicted_of(
    ("sure and right", 0, [0.9, 0.1]),
    ("unsure and right", 1, [0.45, 0.55]),
    ("sure and wrong", 0, [0.05, 0.95]),
    ("unsure and wrong", 1, [0.6, 0.4]),
    ("b: the same", 1, [0.95, 0.05]),
    ("a: the same", 1, [0.95, 0.05]),
)


def test_mistakes_begin_with_the_surest_and_right_answers_with_the_least_sure() -> None:
    chosen = choose_examples(PREDICTED)
    assert chosen.mistakes == ("a: the same", "b: the same", "sure and wrong", "unsure and wrong")
    assert chosen.unsure == ("unsure and right", "sure and right")
    assert chosen.names == (*chosen.mistakes, *chosen.unsure)


def test_of_many_the_first_are_taken() -> None:
    chosen = choose_examples(PREDICTED, each=1)
    assert (chosen.mistakes, chosen.unsure) == (("a: the same",), ("unsure and right",))


def test_the_order_of_the_predictions_changes_nothing() -> None:
    turned = Predicted(PREDICTED.names[::-1], PREDICTED.labels[::-1], PREDICTED.probabilities[::-1])
    assert choose_examples(turned) == choose_examples(PREDICTED)


def test_probabilities_that_are_no_numbers() -> None:
    chosen = choose_examples(predicted_of(("a", 1, [np.nan, np.nan]), ("b", 0, [np.nan, np.nan])))
    assert (chosen.mistakes, chosen.unsure) == (("a",), ("b",))


def test_the_most_confused_classes() -> None:
    confusion = np.array([[5, 2, 1], [2, 0, 0], [0, 1, 9]])
    assert most_confused(confusion, ("a", "b", "c"), 3) == [
        Pair("b", "a", 2, 1.0), Pair("a", "b", 2, 0.25), Pair("a", "c", 1, 0.125),
    ]  # fmt: skip
    assert most_confused(np.diag([3, 4]), ("a", "b"), 3) == []
