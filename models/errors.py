"""What can be wrong with stored things: not there, not in that state, or not reachable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.errors import FlexError


class ModelError(FlexError):
    """A stored thing is not as the caller assumes; `data` holds facts for programs."""

    code = "model_error"

    def __init__(self, message: str | None = None, *, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.data = dict(data or {})


class NotFoundError(ModelError):
    """There is no such thing."""

    code = "not_found"


class RunNotFoundError(NotFoundError):
    """There is no run with this id."""

    code = "run_not_found"


class PlanNotFoundError(NotFoundError):
    """The run has no plan of this version."""

    code = "plan_not_found"


class CapabilityNotFoundError(NotFoundError):
    """No capability with this id is registered."""

    code = "capability_not_found"


class HitlRequestNotFoundError(NotFoundError):
    """There is no such request to a person."""

    code = "hitl_request_not_found"


class ConflictError(ModelError):
    """The thing is not in a state that allows this."""

    code = "conflict"


class InvalidRunStateError(ConflictError):
    """The run is not in a state that allows this."""

    code = "invalid_run_state"


class AlreadyResolvedError(ConflictError):
    """Somebody else has answered this request."""

    code = "already_resolved"


class BuiltinCapabilityError(ConflictError):
    """A built-in capability keeps its registration; switch it off with FLEX_BUILTIN_CAPABILITIES."""

    code = "builtin_capability"


class VersionRollbackError(ConflictError):
    """A newer version of this capability is active; deregister it first to go back to an older one."""

    code = "version_rollback"


class LeaseLostError(ConflictError):
    """The worker no longer holds the lease under which it wanted to store a result."""

    code = "lease_lost"


class DatabaseUnavailableError(ModelError):
    """The database cannot be reached; nothing was stored. Try again in a few seconds."""

    code = "database_unavailable"
    retry_after = 2
