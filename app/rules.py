"""The table of routes: which scopes open each, and which of them change something.

A key needs one of the scopes that a route names. Every route of the app stands here; the app does not start with one
that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import Flask

from models.repositories.keys import SCOPES


@dataclass(frozen=True, slots=True)
class Rule:
    """How one route is guarded: the scopes of which one is needed; None lets everyone in, key or no key."""

    scopes: frozenset[str] | None
    mutation: bool = False
    first_message: bool = False
    """The caller may show its key in the first message instead of a header."""

    def allows(self, scopes: frozenset[str]) -> bool:
        return self.scopes is None or not self.scopes.isdisjoint(scopes)


def _any_of(*scopes: str, mutation: bool = False, first_message: bool = False) -> Rule:
    return Rule(frozenset(scopes), mutation, first_message)


OPEN = Rule(None)
ANY = _any_of(*SCOPES)
READ_RUNS = _any_of("run", "operate")
SUBMIT = _any_of("run", mutation=True)
OPERATE = _any_of("operate", mutation=True)
SERVE = _any_of("agent", mutation=True)
WATCH = _any_of("operate", "admin")

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "runs.stream_run": SUBMIT,
        "runs.create_run": SUBMIT,
        "runs.list_runs": READ_RUNS,
        "runs.get_run": READ_RUNS,
        "runs.read_events": READ_RUNS,
        "runs.get_plan": READ_RUNS,
        "runs.cancel_run": OPERATE,
        "runs.replan_run": OPERATE,
        "plan.preview_plan": _any_of("run"),
        "events.follow_events": _any_of("run", "operate", first_message=True),
        "events.ask_for_handshake": READ_RUNS,
        "hitl.list_pending_requests": _any_of("operate"),
        "hitl.resume_hitl": OPERATE,
        "hitl.resolve_hitl": OPERATE,
        "capabilities.register_capability": SERVE,
        "capabilities.beat_capability": SERVE,
        "capabilities.deregister_capability": SERVE,
        "capabilities.list_capabilities": ANY,
        "capabilities.get_capability": ANY,
        "facets.list_facets": ANY,
        "conditions.validate_condition": ANY,
        "audit.list_audit": _any_of("admin"),
        "docs.read_open_api": ANY,
        "docs.read_docs": ANY,
        "metrics.metrics": WATCH,
        "health.database_health": WATCH,
        "health.model_health": WATCH,
        "health.live": OPEN,
        "health.ready": OPEN,
        "health.overview": OPEN,
        "health.old_health": OPEN,
        "health.older_health": OPEN,
    }
)
"""By endpoint, which is `blueprint.operation`."""


def check_complete(app: Flask) -> None:
    """Raise `LookupError` for a route without a rule, and for a rule without a route."""
    routes = set(app.view_functions)
    strays = sorted(routes ^ set(RULES))
    if strays:
        raise LookupError(f"app/rules.py and the routes differ in {', '.join(strays)}")
