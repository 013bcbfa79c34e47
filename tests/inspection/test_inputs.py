"""Which mistake is named, on a network of a few filters in NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from unfreeze.inspection.conventions import EXPECTED, Convention, of_contract, recognise
from unfreeze.inspection.finding import DataFinding
from unfreeze.inspection.inputs import Evidence, check_inputs, conclude, distance
from unfreeze.inspection.natural import natural_pictures
from unfreeze.recipe.network import InputContract
from unfreeze.training.arrivals import Arrival, Tally

CONVENTIONS = {convention.name: convention for convention in EXPECTED}
NEW = Arrival("norm", np.ones(4), np.ones(4), np.zeros(4), np.ones(4))
Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


class FewFilters:
    """Colour and edge filters with a normalisation, and after it one more layer of the same: both remember some pictures."""

    def __init__(self, remembered: NDArray[np.float32]) -> None:
        generator = np.random.default_rng(0)
        self._first, self._second = generator.standard_normal((9, 12)), generator.standard_normal((12, 6))
        self._memory: list[Moments] = []
        self._memory = [(layer.mean, layer.variance) for layer in self.observe([remembered], False)]

    def observe(self, batches: Iterable[NDArray[np.float32]], first_only: bool) -> Sequence[Arrival]:
        values = np.concatenate(list(batches))
        edges = np.concatenate(
            [values[:, 1:, 1:], *np.diff(values[:, 1:], axis=2)[None], *np.diff(values[:, :, 1:], axis=1)[None]], 3
        )
        there = [self._arrival(0, edges @ self._first)]
        if not first_only:
            there.append(self._arrival(1, np.tanh(edges / edges.std() @ self._first) @ self._second))
        return there

    def _arrival(self, number: int, features: NDArray[np.float64]) -> Arrival:
        moments = features.mean((0, 1, 2)), features.var((0, 1, 2))
        return Arrival(f"norm{number}", *moments, *(self._memory[number] if self._memory else moments))


def photographs(seed: int = 1) -> NDArray[np.float32]:
    """float32 [8, 24, 24, 3], 0–1, with black and white: warm below and blue above, as outdoors."""
    grey = np.random.default_rng(seed).random((8, 24, 24, 1))
    tint = np.linspace([-0.25, 0.0, 0.25], [0.45, 0.1, -0.25], 24)[None, :, None]
    return np.clip(grey + tint, 0, 1).astype(np.float32)


def finding(expected: str, received: Convention, pixels: NDArray[np.float32] | None = None) -> DataFinding:
    network = FewFilters(CONVENTIONS[expected].applied(natural_pictures(24, 24)))
    return check_inputs(network.observe, received.applied(photographs() if pixels is None else pixels))


@pytest.mark.parametrize("received", CONVENTIONS)
@pytest.mark.parametrize("expected", CONVENTIONS)
def test_whatever_is_received_and_expected_is_told(expected: str, received: str) -> None:
    found = finding(expected, CONVENTIONS[received])
    assert (found.details["received"], found.details["expected"]) == (received, expected)
    assert ("mistake" in found.details) == (expected != received)
    assert found.code == ("inputs-fit" if expected == received else "inputs-mismatch")


def test_pictures_of_little_contrast_are_not_taken_for_a_mistake() -> None:
    dull = 0.6 + (photographs() - 0.5) * 0.2
    dull[0, :2] = [[[0, 0, 0]], [[1, 1, 1]]]
    assert finding("imagenet", CONVENTIONS["imagenet"], dull).code == "inputs-fit"
    assert finding("-1-1", CONVENTIONS["imagenet"], dull).details["mistake"] == "imagenet-mean-std"


@pytest.mark.parametrize(
    ("again", "mistake"),
    [
        (lambda raw: CONVENTIONS["imagenet"].applied(CONVENTIONS["imagenet"].applied(raw)), "normalised-twice"),
        (lambda raw: CONVENTIONS["imagenet"].applied(raw * 255), "not-divided"),
        (lambda raw: raw / 255, "divided-twice"),
        (lambda raw: raw, "mean-std-missing"),
    ],
)
def test_mistakes_in_the_making_are_named(again, mistake: str) -> None:
    network = FewFilters(CONVENTIONS["imagenet"].applied(natural_pictures(24, 24)))
    found = check_inputs(network.observe, again(photographs()).astype(np.float32))
    assert (found.code, found.severity, found.details["mistake"]) == ("inputs-mismatch", "error", mistake)


def test_red_and_blue_swapped_is_found_beside_another_mistake() -> None:
    usual, other = CONVENTIONS["imagenet"], CONVENTIONS["0-255"]
    network = FewFilters(usual.applied(photographs(2)))
    swapped = photographs()[..., ::-1]
    assert check_inputs(network.observe, usual.applied(photographs())).details["order"] == "fits"
    assert check_inputs(network.observe, usual.applied(swapped)).details["mistake"] == "channels-swapped"
    assert check_inputs(network.observe, other.applied(swapped)).details["mistake"] == "value-range+channels-swapped"


@pytest.mark.parametrize("name", ["imagenet", "caffe"])
def test_red_and_blue_swapped_after_they_were_normalised_are_found(name: str) -> None:
    usual = CONVENTIONS[name]
    network = FewFilters(usual.applied(photographs(2)))
    found = check_inputs(network.observe, np.ascontiguousarray(usual.applied(photographs())[..., ::-1]))
    assert (found.code, found.details["mistake"]) == ("inputs-mismatch", "channels-swapped")


def test_values_of_no_usual_kind_never_are_in_the_right_order() -> None:
    network = FewFilters((photographs(2) - 0.5) * 7)
    found = check_inputs(network.observe, (photographs() - 0.5) * 7)
    assert (found.code, found.details["received"], found.details["order"]) == ("inputs-fit", "unusual", "can't tell")


@pytest.mark.parametrize("brightest", [0.75, 0.6, 0.5, 0.4, 0.3])
def test_right_pictures_without_anything_bright_are_no_mistake(brightest: float) -> None:
    found = finding("imagenet", CONVENTIONS["imagenet"], photographs() * np.float32(brightest))
    assert (found.code, found.details["received"]) == ("inputs-fit", "imagenet")


@pytest.mark.parametrize(
    ("expected", "received", "darkest", "brightest"),
    [
        ("0-1", "0-1", 0, 0.2),
        ("imagenet", "imagenet", 0, 0.15),
        ("-1-1", "-1-1", 0.55, 0.9),
        ("-1-1", "0-1", 0.2, 0.9),  # a mistake, but the values would also do for bright pictures of little contrast
    ],
)
def test_where_there_is_no_black_and_white_it_cannot_tell(
    expected: str, received: str, darkest: float, brightest: float
) -> None:
    dull = (darkest + (brightest - darkest) * photographs()).astype(np.float32)
    found = finding(expected, CONVENTIONS[received], dull)
    assert (found.code, "no black and white" in found.explanation) == ("inputs-unknown", True)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_values_that_ring_beyond_the_range_are_no_mistake(name: str) -> None:
    ringing = photographs() * np.float32(1.12) - np.float32(0.06)
    assert finding(name, CONVENTIONS[name], ringing).code == "inputs-fit"


def test_dark_pictures_are_of_the_range_whose_black_they_hold() -> None:
    assert recognise(photographs() * np.float32(110)).name == "0-255"
    assert recognise(photographs() * np.float32(110) - np.float32([104, 117, 124])).name == "caffe"


def test_values_that_ring_very_far_beyond_the_range_are_no_mistake() -> None:
    values = CONVENTIONS["0-255"].applied(photographs())
    values[0, 0, 0], values[1, 0, 0] = -66, 321  # what lanczos3 makes of noise
    network = FewFilters(CONVENTIONS["0-255"].applied(natural_pictures(24, 24)))
    assert check_inputs(network.observe, values).code != "inputs-mismatch"


def test_no_more_pixels_go_in_at_once_than_in_a_batch_given() -> None:
    seen = []

    def observe(batches: Iterable[NDArray[np.float32]], first_only: bool) -> Sequence[Arrival]:
        seen.extend(batch.shape[:2] for batch in batches)
        return [Arrival("norm", np.ones(4), np.ones(4), np.zeros(4), np.full(4, 0.5))]

    check_inputs(observe, photographs().repeat(2, axis=0)[:9], batch=4)
    assert set(seen) == {(4, 24), (1, 24), (1, 48)}
    assert seen.count((1, 48)) == 9


def test_of_grey_pictures_the_order_cannot_be_told() -> None:
    grey = np.repeat(photographs()[..., :1], 3, axis=3)
    found = finding("0-1", CONVENTIONS["0-1"], grey)
    assert (found.code, found.details["order"]) == ("inputs-fit", "can't tell")


def test_a_network_of_other_pictures_is_held_against_the_pictures_given() -> None:
    # Nearly black, with a few bright places: what a microscope or a telescope gives.
    dark = (photographs() ** 12).astype(np.float32)
    network = FewFilters(CONVENTIONS["-1-1"].applied((photographs(3) ** 12).astype(np.float32)))
    assert check_inputs(network.observe, CONVENTIONS["-1-1"].applied(dark)).code == "inputs-fit"
    assert check_inputs(network.observe, CONVENTIONS["0-1"].applied(dark)).details["expected"] == "-1-1"


def test_without_batchnorm_or_memory_it_cannot_tell() -> None:
    none = check_inputs(lambda batches, first_only: [], photographs())
    untrained = check_inputs(lambda batches, first_only: [NEW], photographs())
    assert none.code == untrained.code == "inputs-unknown"
    assert "no BatchNorm" in none.explanation
    assert "its first BatchNorm layer holds what it starts with" in untrained.explanation.replace("the network's", "its")


def test_new_layers_after_those_of_the_pretraining_say_nothing() -> None:
    network = FewFilters(CONVENTIONS["0-1"].applied(photographs(2)))

    def with_new_head(batches: Iterable[NDArray[np.float32]], first_only: bool) -> Sequence[Arrival]:
        there = network.observe(batches, first_only)
        return there if first_only else [*there, NEW]

    assert check_inputs(with_new_head, photographs()) == check_inputs(network.observe, photographs())


def test_of_pictures_without_content_it_cannot_tell() -> None:
    assert finding("0-1", CONVENTIONS["0-1"], np.full((8, 24, 24, 3), 0.5, np.float32)).code == "inputs-unknown"


def test_few_pictures_say_nothing_of_the_order() -> None:
    network = FewFilters(CONVENTIONS["0-1"].applied(photographs(2)))
    few = check_inputs(network.observe, photographs()[:3, ..., ::-1])
    assert (few.code, few.details["order"], "fewer than 8 pictures" in few.explanation) == ("inputs-fit", "can't tell", True)


def test_far_from_everything_it_cannot_tell() -> None:
    found = conclude(Evidence(CONVENTIONS["0-1"], dict.fromkeys(EXPECTED, 0.9)))
    assert (found.code, found.measured["0-1"]) == ("inputs-unknown", 0.9)


def test_a_near_tie_goes_to_what_is_received() -> None:
    distances = dict.fromkeys(EXPECTED, 0.5) | {CONVENTIONS["0-1"]: 0.2, CONVENTIONS["imagenet"]: 0.05}
    assert conclude(Evidence(CONVENTIONS["0-1"], distances)).code == "inputs-fit"
    assert conclude(Evidence(CONVENTIONS["-1-1"], distances)).details["expected"] == "imagenet"


def test_small_pictures_are_those_that_fit_better_enlarged() -> None:
    usual = CONVENTIONS["0-1"]
    distances, near, far = dict.fromkeys(EXPECTED, 0.9) | {usual: 0.1}, [0.1, 0.1, 0.2], [0.1, 0.1, 0.4]
    small = conclude(Evidence(usual, distances, as_given=far, swapped=far, enlarged=near))
    assert (small.code, small.severity, small.details["mistake"]) == ("inputs-mismatch", "warning", "too-small")
    assert conclude(Evidence(usual, distances, as_given=far, swapped=far, enlarged=far)).code == "inputs-fit"


def test_a_contract_is_one_of_the_usual_or_its_own() -> None:
    assert of_contract(InputContract(side_px=32)) == CONVENTIONS["imagenet"]
    own = of_contract(InputContract(side_px=32, mean=(0.1, 0.2, 0.3), std=(0.2, 0.2, 0.2), channel_order="BGR"))
    assert (own.name, own.bgr) == ("contract", True)
    values = own.applied(np.array([[[[0.1, 0.2, 0.5]]]]))
    np.testing.assert_allclose(values[0, 0, 0], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(own.undone(values)[0, 0, 0], [0.1, 0.2, 0.5], atol=1e-6)


def test_values_of_no_usual_kind_are_stretched() -> None:
    own = recognise((photographs() - 0.5) * 7)
    assert own.name == "unusual"
    np.testing.assert_allclose(own.undone((photographs() - 0.5) * 7), photographs(), atol=0.02)


def test_the_distance_of_a_factor_of_two() -> None:
    ones = np.ones(3)
    assert distance(Arrival("norm", ones, ones, ones, ones)) == pytest.approx(0, abs=1e-9)
    assert distance(Arrival("norm", ones, 4 * ones, ones, ones)) == pytest.approx(np.log(1 + 1.125), rel=2e-3)


def test_a_tally_of_batches_is_that_of_all() -> None:
    values, tally = np.random.default_rng(0).random((10, 3)) * [1, 10, 1000], Tally()
    for batch in (values[:1], values[1:7], values[7:]):
        tally.add(len(batch), batch.mean(0), batch.var(0))
    np.testing.assert_allclose(tally.mean, values.mean(0))
    np.testing.assert_allclose(tally.variance, values.var(0))
