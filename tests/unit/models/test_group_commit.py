"""Changes of several threads in one transaction: who leads, who comes along, and what they hear."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from models.errors import DatabaseUnavailableError
from models.group_commit import GroupCommit
from tests.support.relay import wait_until

SECONDS = 10


class Store:
    """Takes groups one after another, and keeps the first until it is told to let it go."""

    def __init__(self, then: Callable[[Sequence[int]], Sequence[str]] | None = None) -> None:
        self.groups: list[list[int]] = []
        self.let_go = threading.Event()
        self._then = then or (lambda changes: [f"row {change}" for change in changes])

    def __call__(self, changes: Sequence[int]) -> Sequence[str]:
        self.groups.append(list(changes))
        if len(self.groups) == 1:
            assert self.let_go.wait(SECONDS)
            return [f"row {change}" for change in changes]
        return self._then(changes)


def brought_while_the_first_is_stored(
    group: GroupCommit[int, str], store: Store, count: int, pool: ThreadPoolExecutor
) -> list[Future[str]]:
    """Send change 0, and 1 … `count` while it is under way; return what becomes of each."""
    sent = [pool.submit(group.send, 0)]
    wait_until(lambda: bool(store.groups))
    for change in range(1, count + 1):
        sent.append(pool.submit(group.send, change))
        wait_until(lambda change=change: len(group._waiting) == change)  # type: ignore[misc]
    store.let_go.set()
    return sent


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(20) as made:
        yield made


def test_what_is_brought_while_a_group_is_under_way_is_stored_together(pool: ThreadPoolExecutor) -> None:
    # Given a change that is being stored
    store = Store()
    # When five others come meanwhile
    sent = brought_while_the_first_is_stored(GroupCommit(store), store, 5, pool)
    # Then they are the next group, in the order in which they came, and each hears its own row
    assert [each.result(SECONDS) for each in sent] == [f"row {change}" for change in range(6)]
    assert store.groups == [[0], [1, 2, 3, 4, 5]]


def test_a_group_has_no_more_members_than_it_may(pool: ThreadPoolExecutor) -> None:
    store = Store()
    sent = brought_while_the_first_is_stored(GroupCommit(store, most=3), store, 7, pool)
    assert [each.result(SECONDS) for each in sent] == [f"row {change}" for change in range(8)]
    assert store.groups == [[0], [1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)])
def test_when_storing_breaks_nobody_waits_for_ever(error: BaseException, pool: ThreadPoolExecutor) -> None:
    # Given a group that will break, and one behind it that will not
    def breaks_once(changes: Sequence[int]) -> Sequence[str]:
        if 1 in changes:
            raise error
        return [f"row {change}" for change in changes]

    store = Store(breaks_once)
    sent = brought_while_the_first_is_stored(GroupCommit(store, most=3), store, 5, pool)
    # Then its leader hears the error, the others that nobody knows, and whoever comes behind is served
    with pytest.raises(type(error)):
        sent[1].result(SECONDS)
    for each in sent[2:4]:
        with pytest.raises(DatabaseUnavailableError) as told:
            each.result(SECONDS)
        assert told.value.__cause__ is error
    assert [each.result(SECONDS) for each in sent[4:]] == ["row 4", "row 5"]


def test_each_of_many_threads_hears_its_own_rows_and_no_change_is_stored_twice() -> None:
    # Given twenty threads that send fifty changes each, as fast as they can
    stored: list[int] = []

    def store(changes: Sequence[int]) -> Sequence[str]:
        stored.extend(changes)
        return [f"row {change}" for change in changes]

    group: GroupCommit[int, str] = GroupCommit(store)

    def send(first: int) -> None:
        for change in range(first, first + 50):
            assert group.send(change) == f"row {change}"

    with ThreadPoolExecutor(20) as threads:
        for done in [threads.submit(send, 50 * number) for number in range(20)]:
            done.result(30)
    # Then each was stored once, and nothing is left behind
    assert sorted(stored) == list(range(1000))
    assert (group._waiting, group._under_way) == ([], False)
