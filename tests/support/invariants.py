"""What is true of every run, whatever was killed, cut or flushed meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Frame = dict[str, Any]

SETTLING = {"node_complete", "node_skipped"}
FINAL = "complete"


def assert_sound(frames: Sequence[Frame], *, status: str = "completed") -> None:
    """Hold a run's whole log against the promises: numbered 1..n, one end, one result per node, parents first."""
    assert [frame["id"] for frame in frames] == [str(number) for number in range(1, len(frames) + 1)]
    assert [frame["type"] for frame in frames].count(FINAL) == 1
    assert frames[-1]["type"] == FINAL
    assert frames[-1]["payload"]["status"] == status, frames[-1]["payload"]
    _assert_one_result_per_node(frames)
    _assert_attempts_in_order(frames)
    _assert_parents_first(frames)


def _assert_one_result_per_node(frames: Sequence[Frame]) -> None:
    results = Counter(frame["nodeId"] for frame in frames if frame["type"] == "node_complete")
    assert not [node for node, count in results.items() if count > 1], results


def _assert_attempts_in_order(frames: Sequence[Frame]) -> None:
    starts: dict[str, list[int]] = {}
    for frame in frames:
        if frame["type"] == "node_start":
            starts.setdefault(frame["nodeId"], []).append(frame["payload"]["attempt"])
    for node, attempts in starts.items():
        assert attempts == list(range(1, len(attempts) + 1)), (node, attempts)


def _assert_parents_first(frames: Sequence[Frame]) -> None:
    plans = [frame["payload"]["plan"] for frame in frames if frame["type"] == "plan_generated"]
    if not plans:
        return
    parents: dict[str, set[str]] = {}
    for edge in plans[-1]["edges"]:
        parents.setdefault(edge["to"], set()).add(edge["from"])
    settled: set[str] = set()
    for frame in frames:
        if frame["type"] == "node_start":
            assert parents.get(frame["nodeId"], set()) <= settled, f"{frame['nodeId']} before its parents"
        elif frame["type"] in SETTLING:
            settled.add(frame["nodeId"])
