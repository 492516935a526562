"""Twenty deadlines pass while no process of ours is alive: the guards alone keep them."""

import pytest

from tests.bench.lateness import COUNT, GOAL, measure, p95

pytestmark = pytest.mark.docker


def test_deadlines_are_kept_when_nothing_of_ours_runs(base_image: str, run_id: str) -> None:
    late = measure(base_image, f"bimodal-sandbox-test={run_id}", f"{run_id}-late", COUNT)
    print(f"lateness: p95 {p95(late):.2f} s, worst {max(late):.2f} s, n = {len(late)}")
    assert len(late) == COUNT
    assert min(late) >= 0, "a container ended before its time"
    assert p95(late) <= GOAL
