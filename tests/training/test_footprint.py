"""How much memory a training will take: counted from what is known, and held against what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.made_up import small_plan
from unfreeze.recipe.plan import Plan
from unfreeze.training import footprint
from unfreeze.training.footprint import Footprint, available_now, expected_peak, held_now, remarks_on_memory

MB = 1_000_000


def footprints(plan: Plan, picture: int) -> dict[str, Footprint]:
    return {phase.boundary: Footprint(50 * MB, 40 * MB, picture, MB, 500 * MB) for phase in plan.phases}


def test_the_peak_is_that_of_the_largest_phase_and_falls_with_parts() -> None:
    plan = small_plan()
    known = footprints(plan, MB)
    known[plan.phases[-1].boundary] = Footprint(50 * MB, 40 * MB, 60 * MB, MB, 500 * MB)
    loaded = 4 * plan.batch_size * 3 * plan.network.contract.side_px**2
    slots = 0 if plan.phases[-1].optimizer.name == "sgd" else 2
    expected = 1000 * MB + 500 * MB + 4 * 50 * MB + (1 + slots) * 40 * MB + plan.batch_size * 60 * MB + loaded
    assert expected_peak(plan, known, held=1000 * MB) == expected
    halved = expected - (plan.batch_size // 2) * 60 * MB + 40 * MB  # sums of gradients join
    assert expected_peak(plan, known, 1000 * MB, parts=2) == halved


def test_it_is_said_where_memory_wont_suffice_and_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan().model_copy(update={"batch_size": 32, "accumulate": 1})
    known = footprints(plan, 60 * MB)
    monkeypatch.setattr(footprint, "available_now", lambda: 10**10)
    assert remarks_on_memory(plan, known, 1000 * MB) == ()
    monkeypatch.setattr(footprint, "available_now", lambda: 1500 * MB)
    (said,) = remarks_on_memory(plan, known, 1000 * MB)
    assert "there are 2.5 GB" in said
    assert "input.batch_size 8 with input.accumulate 4" in said


def test_what_there_is_can_be_told_here() -> None:
    assert 0 < held_now() < 10**12
    assert 0 <= available_now() < 10**14


@pytest.mark.parametrize(
    ("limit", "used", "facts"),
    [
        ("memory.max", "memory.current", "inactive_file 50"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file 50"),
    ],
)
def test_a_container_leaves_its_limit_less_what_it_cant_give_back(tmp_path: Path, limit: str, used: str, facts: str) -> None:
    (tmp_path / limit).write_text("1000\n")
    (tmp_path / used).write_text("700\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\n{facts}\n")
    assert footprint._left_in(tmp_path) == [350]
    (tmp_path / limit).write_text("max\n")
    assert footprint._left_in(tmp_path) == []
