"""The gate for what is built later: one table, from which later work deletes rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from planner.refusals import NotAvailableYetError, PoliciesDisabledError
from policies.errors import Problem, pointer
from policies.policy import Policies

ENGINE_FORMS = ("quality", "retries", "latency")


@dataclass(frozen=True, slots=True)
class Asked:
    """An envelope as the gate looks at it: as it was written, and its policies as they were understood."""

    raw: dict[str, Any]
    policies: Policies

    def at(self, *path: str) -> Any:
        """Return what stands at a path of member names, None where there is nothing."""
        current: Any = self.raw
        for name in path:
            current = current.get(name) if isinstance(current, dict) else None
        return current

    def where(self, *paths: tuple[str, ...]) -> Iterator[str]:
        """Yield the pointers of those paths at which something is asked for: not absent, not false, not empty."""
        return (pointer(*path) for path in paths if self.at(*path))


def _runtime_rules(asked: Asked) -> Iterable[str]:
    return (policy.source for policy in asked.policies.runtime if policy.enabled)


def _engine_forms(asked: Asked) -> Iterable[str]:
    return (pointer("policies", name) for name in ENGINE_FORMS if name in asked.policies.plain)


def _approvals(asked: Asked) -> Iterable[str]:
    return asked.where(
        ("constraints", "requiresHitlApproval"),
        ("policies", "planner", "directives", "requiresHitlApproval"),
        ("policies", "plannerDirectives", "requiresHitlApproval"),
        ("policies", "requiresHitlApproval"),
        ("policies", "hitlRequiredFor"),
    )


NOT_AVAILABLE: tuple[tuple[str, Callable[[Asked], Iterable[str]]], ...] = (
    ("Runtime policies are", _runtime_rules),
    ("Quality, retry and latency policies are", _engine_forms),
    ("Goal conditions are", lambda asked: asked.where(("goal_condition",))),
    ("Approval by a person is", _approvals),
    ("Review of the plan by a person is", lambda asked: asked.where(("constraints", "reviewPlan"))),
    ("Budgets are", lambda asked: asked.where(("constraints", "budget"))),
)


def refuse_unavailable(raw: dict[str, Any], policies: Policies) -> None:
    """Raise NotAvailableYetError at every place where a checked envelope asks for what is not built yet."""
    asked = Asked(raw, policies)
    problems = [
        Problem(place, f"{what} not available in this version yet; leave this out", NotAvailableYetError.code)
        for what, places in NOT_AVAILABLE
        for place in places(asked)
    ]
    if problems:
        raise NotAvailableYetError(problems)


def refuse_disabled(raw: dict[str, Any], policies: Policies) -> None:
    """Raise PoliciesDisabledError at every policy that would act on a run, for a server that has them turned off."""
    asked = Asked(raw, policies)
    message = "this server has runtime policies turned off (FLEX_POLICIES=off); leave this out"
    places = (*_runtime_rules(asked), *_engine_forms(asked))
    if places:
        raise PoliciesDisabledError(Problem(place, message, PoliciesDisabledError.code) for place in places)
