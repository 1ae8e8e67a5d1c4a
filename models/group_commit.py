"""Group commit: what several threads want to have stored at the same moment is stored in one transaction.

A transaction costs about as much to begin, to send and to make durable as what it changes. Whoever comes while none is
under way leads the next one, and takes along what others have brought by then; nobody waits for company. It is what
databases do with their logs (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984), one
level higher.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from models.errors import DatabaseUnavailableError

Change = TypeVar("Change")
Row = TypeVar("Row")

MOST_IN_A_GROUP = 16


class _Member(Generic[Change, Row]):
    """A change and the thread that waits for what comes of it."""

    __slots__ = ("_told", "change", "error", "leads", "row")

    def __init__(self, change: Change, *, leads: bool) -> None:
        self.change = change
        self.leads = leads
        self.row: Row | None = None
        self.error: BaseException | None = None
        # A bare lock that is held from the start is the cheapest thing that a thread can wait for.
        self._told = threading.Lock()
        self._told.acquire()

    def wait(self) -> None:
        self._told.acquire()

    def tell(self) -> None:
        self._told.release()


class GroupCommit(Generic[Change, Row]):
    """Changes of many threads, handed to `perform` in groups of up to `most`, one group at a time.

    `perform` stores a group in one transaction and returns a row for each change, in their order.
    """

    def __init__(self, perform: Callable[[Sequence[Change]], Sequence[Row]], *, most: int = MOST_IN_A_GROUP) -> None:
        self._perform = perform
        self._most = most
        self._lock = threading.Lock()
        self._under_way = False
        self._waiting: list[_Member[Change, Row]] = []

    def send(self, change: Change) -> Row:
        """Return what storing the change gave, once its group has been stored.

        Whoever leads raises what `perform` raised; the others raise DatabaseUnavailableError then, for they cannot tell
        whether their change was stored.
        """
        with self._lock:
            mine: _Member[Change, Row] = _Member(change, leads=not self._under_way)
            if self._under_way:
                self._waiting.append(mine)
            self._under_way = True
        if not mine.leads:
            mine.wait()
        if mine.leads:
            self._lead(mine)
        if mine.row is None:
            raise DatabaseUnavailableError from mine.error
        return mine.row

    def _lead(self, first: _Member[Change, Row]) -> None:
        with self._lock:
            others = self._waiting[: self._most - 1]
            del self._waiting[: self._most - 1]
        group = [first, *others]
        try:
            for member, row in zip(group, self._perform([member.change for member in group]), strict=True):
                member.row = row
        except BaseException as error:
            for member in others:
                member.error = error
            raise
        finally:
            self._hand_over()
            for member in others:
                member.tell()

    def _hand_over(self) -> None:
        """Let the first who waits lead the next group."""
        with self._lock:
            self._under_way = bool(self._waiting)
            if self._waiting:
                following = self._waiting.pop(0)
                following.leads = True
                following.tell()
