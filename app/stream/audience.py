"""Who listens to which run, to which tenant's runs, and how far each run has been told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from app.stream.subscription import Subscription
from app.stream.wire import Wire

ENDED_REMEMBERED = 10_000


class Channel:
    """The listeners of one run, and the seq up to which they have been served (None until one has caught up)."""

    __slots__ = ("last", "subscriptions")

    def __init__(self) -> None:
        self.last: int | None = None
        self.subscriptions: set[Subscription] = set()


class Audience:
    """The listeners of one relay. Whoever uses it sees to it that no two do at once."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}
        self._tenants: dict[str, set[Subscription]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def admit(self, subscription: Subscription) -> None:
        """Let it hear the runs that it names, and those of its tenant as they speak."""
        for run_id in subscription.runs:
            self._channels.setdefault(run_id, Channel()).subscriptions.add(subscription)
        if subscription.tenant is not None:
            self._tenants.setdefault(subscription.tenant, set()).add(subscription)

    def dismiss(self, subscription: Subscription) -> None:
        """Let it hear nothing any more."""
        for run_id in list(subscription.runs):
            self._leave(subscription, run_id)
        listeners = self._tenants.get(subscription.tenant or "", set())
        listeners.discard(subscription)
        if not listeners:
            self._tenants.pop(subscription.tenant or "", None)

    def join(self, run_id: str, listeners: Iterable[Subscription]) -> Channel:
        """Let them hear one run more; return the run's channel."""
        channel = self._channels.setdefault(run_id, Channel())
        for subscription in listeners:
            subscription.runs.add(run_id)
            channel.subscriptions.add(subscription)
        return channel

    def of_run(self, run_id: str) -> Channel | None:
        """Return the channel of a run that somebody listens to."""
        return self._channels.get(run_id)

    def called(self, run_id: str, tenant: str | None) -> Channel | None:
        """Return the channel of a run that speaks, which listeners of its whole tenant join now if they have not."""
        listeners = self._tenants.get(tenant or "")
        if listeners and run_id not in self._ended:
            return self.join(run_id, listeners)
        return self._channels.get(run_id)

    def served(self) -> dict[str, int]:
        """Return how far each run has been told whose listeners have caught up."""
        return {run_id: channel.last for run_id, channel in self._channels.items() if channel.last is not None}

    def tenants(self) -> dict[str, list[Subscription]]:
        """Return the tenants that are listened to as a whole, with their listeners."""
        return {tenant: list(listeners) for tenant, listeners in self._tenants.items()}

    def has_ended(self, run_id: str) -> bool:
        """Tell whether the run was told to its end here, not too long ago."""
        return run_id in self._ended

    def deliver(self, channel: Channel, wire: Wire) -> None:
        """Hand the next frame of a run to all who listen to it."""
        channel.last = wire.seq
        for subscription in channel.subscriptions:
            subscription.offer(wire)
        if wire.terminal:
            self.end(channel, wire.run_id)

    def end(self, channel: Channel, run_id: str) -> None:
        """Let listeners of a whole tenant leave a run that has ended, and remember that it has."""
        self._ended[run_id] = None
        while len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)
        for subscription in [one for one in channel.subscriptions if one.tenant is not None]:
            self._leave(subscription, run_id)

    def _leave(self, subscription: Subscription, run_id: str) -> None:
        subscription.runs.discard(run_id)
        channel = self._channels.get(run_id)
        if channel is not None:
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions:
                del self._channels[run_id]
