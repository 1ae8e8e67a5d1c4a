"""What an agent is to its caller: a bundle in, an output out, typed failures, and a token that stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from planner.progress.bundle import AgentBundle
from policies.errors import FlexError

MAX_REPLY_BYTES = 4 * 1024 * 1024
CONNECT_SECONDS = 5.0


def storable(text: str) -> str:
    """Return a text from outside without what the database does not keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt consumed: tokens, and money in the currency of the capability's price."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "promptTokens": self.prompt_tokens,
            "completionTokens": self.completion_tokens,
            "cost": round(self.cost, 8),
        }


@dataclass(frozen=True, slots=True)
class HitlAsk:
    """An agent's wish that a person approve something or answer a question before it goes on."""

    kind: Literal["approval", "clarify"]
    question: str
    urgency: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "question", storable(self.question))

    def as_json(self) -> dict[str, Any]:
        body = {"kind": self.kind, "question": self.question}
        return body if self.urgency is None else {**body, "urgency": self.urgency}


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What came back: the output by property key, its cost, who made it, and perhaps a question for a person."""

    output: dict[str, Any]
    usage: Usage = field(default_factory=Usage)
    provenance: dict[str, Any] = field(default_factory=dict)
    hitl: HitlAsk | None = None


class AgentError(FlexError):
    """The agent failed; `retryable` says whether the same call may succeed later."""

    code = "agent_error"
    retryable = False

    def __init__(
        self,
        message: str | None = None,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(None if message is None else storable(message))
        self.retryable = type(self).retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.usage = usage or Usage()


class AgentUnavailableError(AgentError):
    """The agent could not be reached or answered with a server error; try again later."""

    code = "agent_unavailable"
    retryable = True


class AgentTimeoutError(AgentError):
    """The agent did not answer before the deadline of this attempt; raise timeoutSeconds or use a faster agent."""

    code = "agent_timeout"
    retryable = True


class AgentRateLimitedError(AgentError):
    """The agent's service refused the call for its rate; it may be asked again after `retry_after` seconds."""

    code = "agent_rate_limited"
    retryable = True


class AgentRefusedError(AgentError):
    """The agent's service refused the request itself; asking again changes nothing until its cause is mended."""

    code = "agent_refused"


class AgentCancelledError(AgentError):
    """The call was stopped because its run, or its lease, ended."""

    code = "agent_cancelled"


class AgentCrashError(AgentError):
    """The agent's own code broke."""

    code = "agent_crash"


class InvalidReplyError(AgentError):
    """The agent answered with something that is not a JSON object; `raw` holds what it said."""

    code = "invalid_agent_reply"
    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        raw: str = "",
        usage: Usage | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, usage=usage)
        self.raw = raw
        self.provenance = provenance or {}


class CancelToken:
    """A switch that is thrown once, from any thread, and runs the callbacks that abort what is in flight."""

    def __init__(self) -> None:
        self._thrown = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_key = 0
        self._reason = ""

    @property
    def cancelled(self) -> bool:
        return self._thrown.is_set()

    @property
    def reason(self) -> str:
        """Return why it was thrown; empty while it was not."""
        return self._reason

    def cancel(self, reason: str = "cancelled") -> None:
        """Throw the switch; further calls change nothing and the first reason stays."""
        with self._lock:
            if self._thrown.is_set():
                return
            self._reason = reason
            self._thrown.set()
            callbacks = tuple(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Subscription:
        """Call `callback` when the switch is thrown (at once if it was); the returned value, closed, forgets it.

        Callbacks run in the cancelling thread, so they must be short and must not raise.
        """
        with self._lock:
            if not self._thrown.is_set():
                self._next_key += 1
                self._callbacks[self._next_key] = callback
                return Subscription(self, self._next_key)
        callback()
        return Subscription(self, 0)

    def forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`, waking at once when the switch is thrown; return whether it was."""
        return self._thrown.wait(max(seconds, 0.0))

    def raise_if_cancelled(self) -> None:
        if self._thrown.is_set():
            raise AgentCancelledError(f"The call was stopped: {self._reason}.")


class Subscription:
    """A callback's place in a token; as a context manager it is given up on leaving."""

    def __init__(self, token: CancelToken, key: int) -> None:
        self._token = token
        self._key = key

    def close(self) -> None:
        self._token.forget(self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Agent(Protocol):
    """Anything that turns a bundle into an output; it never touches storage."""

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        """Return the output of this attempt, or raise an `AgentError`; end soon after `cancel` is thrown."""
        ...
