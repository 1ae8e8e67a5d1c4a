"""The places of one relay: who holds one, and how many there are for all together and for each owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from app.limits import LimitError
from app.stream.subscription import Subscription

RETRY_SECONDS = 5


class ServerFullError(LimitError):
    """This server serves as many streams as it can; try again in a moment, or read the events as JSON pages."""


class TooManyStreamsError(LimitError):
    """This key holds as many streams open as it may; close one, or read the events as JSON pages."""

    code = "too_many_streams"


class Places:
    """The subscriptions that hold a place. Whoever uses it sees to it that no two do at once."""

    def __init__(self, limit: int, limit_per_owner: int) -> None:
        self._limit = limit
        self._limit_per_owner = limit_per_owner
        self._held: set[Subscription] = set()
        self._owners: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._held)

    def take(self, subscription: Subscription) -> None:
        """Give it a place. Raises `ServerFullError` and `TooManyStreamsError`."""
        for error, held, limit in (
            (ServerFullError, len(self._held), self._limit),
            (TooManyStreamsError, self._owners[subscription.owner], self._limit_per_owner),
        ):
            if held >= limit:
                raise error((error.__doc__ or "").strip(), pending=held, limit=limit, retry_after=RETRY_SECONDS)
        self._held.add(subscription)
        self._owners[subscription.owner] += 1

    def give_back(self, subscription: Subscription) -> bool:
        """Free its place; False when it holds none."""
        if subscription not in self._held:
            return False
        self._held.remove(subscription)
        self._owners[subscription.owner] -= 1
        if not self._owners[subscription.owner]:
            del self._owners[subscription.owner]
        return True

    def owners(self) -> set[str]:
        """Return the keys and addresses that places are held for."""
        return {owner for owner in self._owners if owner is not None}
