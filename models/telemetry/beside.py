"""Lines beside a frame's own: what its payload says that is looked for under a name by itself.

They follow from the frame alone and name it by `of_seq`; `seq` stands only in the one line that each frame has. As in
that one, facts are picked by name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import structlog

from models.telemetry.lines import Facts, Payload, number, token, tokens

logger = structlog.get_logger("flex")

MISSING_FACET = frozenset(
    {
        *("no_producer", "producer_inactive", "producer_human", "producer_routing", "producer_forbidden"),
        *("missing_inputs", "input_unavailable", "output_facet_uncovered"),
    }
)
"""Diagnostics about a facet that nobody makes, or nobody who may or can."""
UNREACHABLE_PIN = frozenset({"pinned_capability_unknown", "pinned_capability_refused", "pinned_capability_unreachable"})
"""Diagnostics about a capability that every plan has to hold and that none can."""
MISSING_PIN = UNREACHABLE_PIN | {"required_capability_missing"}
"""The same, or a draft does not hold it."""
DROPPED_FACET = frozenset({"unknown_facet", "facet_not_declared"})
"""Diagnostics about a facet that a draft gives a node and that the registry does not."""
UNMADE = frozenset({"no_candidate", "empty_registry"})
"""Reasons of a fallback that mean that nobody makes the facets."""


def write_lines_beside(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Write the further lines that a frame gives rise to; most give rise to none."""
    writers = WRITERS.get(frame["type"], ())
    # None of them is above `warning`: picking the facts costs more than writing them.
    if not writers or not logger.is_enabled_for(logging.WARNING):
        return
    about = {
        "run_id": frame["runId"],
        "of_seq": int(frame["id"]),
        "correlation_id": frame["correlationId"],
        "tenant": tenant_id,
        "plan_version": frame["planVersion"],
    }
    if node_id := frame.get("nodeId"):
        about["node_id"] = node_id
    for write in writers:
        write(frame.get("payload") or {}, about)


def metadata_of(payload: Payload) -> Payload:
    """Return the metadata of the plan that a frame shows, within it or, in `plan_updated`, spread out."""
    found: Payload = (payload.get("plan") or payload).get("metadata") or {}
    return found


def reach_of(payload: Payload) -> Payload:
    """Return what such a frame tells of the reachable set of capabilities, empty where it tells nothing."""
    crcs: Payload = metadata_of(payload).get("crcs") or {}
    return crcs if "totalRows" in crcs else {}


def diagnostics_of(payload: Payload, codes: frozenset[str]) -> Iterator[Payload]:
    """Return those of a refusal's diagnostics that have one of the codes."""
    return (one for one in payload.get("diagnostics") or () if one.get("code") in codes)


def _write_reach(payload: Payload, about: Facts) -> None:
    """Tell how large the set of capabilities was that the plan was searched in, and why they stand in it."""
    if crcs := reach_of(payload):
        reasons = {token(reason): number(count) for reason, count in (crcs.get("reasonCounts") or {}).items()}
        facts = {
            "rows": number(crcs["totalRows"]),
            "row_cap": number(crcs.get("rowCap")),
            "truncated": crcs.get("truncated") is True,
            "mrcs": number(crcs.get("mrcsSize")),
            "considered": number(crcs.get("considered")),
            "reasons": {reason: count for reason, count in reasons.items() if reason},
            "pinned": len(crcs.get("pinnedCapabilityIds") or ()),
            "missing_pinned": number(crcs.get("missingPinnedCapabilities")),
        }
        logger.info("flex_planner_crcs_metrics", **about, **facts)


def _write_refused_facets(payload: Payload, about: Facts) -> None:
    found = list(diagnostics_of(payload, MISSING_FACET))
    _write_missing_facets((one.get("facet") for one in found), about, codes=tokens(one["code"] for one in found))


def _write_unmade_facets(payload: Payload, about: Facts) -> None:
    """Tell of facets that nobody makes and that a person is asked for."""
    if payload.get("reason") in UNMADE:
        _write_missing_facets(payload.get("facets") or (), about, codes=[payload["reason"]])


def _write_missing_facets(facets: Iterable[Any], about: Facts, *, codes: list[str]) -> None:
    if missing := tokens(facets):
        logger.warning("flex_planner_missing_facets", **about, missing=missing, codes=codes)


def _write_refused_pins(payload: Payload, about: Facts) -> None:
    found = list(diagnostics_of(payload, MISSING_PIN))
    _write_missing_pins((one.get("capabilityId") for one in found), about, codes=tokens(one["code"] for one in found))


def _write_unreachable_pins(payload: Payload, about: Facts) -> None:
    """Tell of capabilities that policies name without requiring them, so that there is a plan all the same."""
    _write_missing_pins(reach_of(payload).get("missingPinnedCapabilityIds") or (), about, codes=[])


def _write_missing_pins(capability_ids: Iterable[Any], about: Facts, *, codes: list[str]) -> None:
    if missing := tokens(capability_ids):
        logger.warning("flex_planner_missing_pinned_capabilities", **about, missing=missing, codes=codes)


def _write_refused_drops(payload: Payload, about: Facts) -> None:
    for one in diagnostics_of(payload, DROPPED_FACET):
        _write_dropped(one, about, code=one["code"])


def _write_ignored_drops(payload: Payload, about: Facts) -> None:
    """Tell of facets that the draft said nodes take and that counted for nothing."""
    for one in metadata_of(payload).get("plannerDroppedFacets") or ():
        _write_dropped(one, about, code="not_taken")


def _write_dropped(one: Payload, about: Facts, *, code: str) -> None:
    facts = {"facet": token(one.get("facet")), "capability_id": token(one.get("capabilityId")), "code": code}
    known = {name: value for name, value in facts.items() if value is not None}
    logger.info("flex_planner_dropped_facet", **about, **known)


def _write_given_up(payload: Payload, about: Facts) -> None:
    """Tell of a capability that is not tried again at a node; one that went away, or a person's no, is another fact."""
    if not payload.get("virtual") and payload.get("code") not in {"rejected", "capability_inactive"}:
        _write_exhausted(payload.get("capabilityId"), payload.get("attempt"), payload.get("code"), about)


def _write_handed_over(payload: Payload, about: Facts) -> None:
    """Tell of a capability in whose place a person is asked for the output."""
    request = payload.get("request") or {}
    context = (request.get("payload") or {}).get("additionalContext") or {}
    if "attempts" in context and context.get("reason") != "capability_inactive":
        _write_exhausted(request.get("originAgent"), context["attempts"], context.get("reason"), about)


def _write_exhausted(capability_id: Any, attempt: Any, code: Any, about: Facts) -> None:
    facts = {"capability_id": token(capability_id), "attempt": number(attempt), "code": token(code)}
    known = {name: value for name, value in facts.items() if value is not None}
    logger.warning("flex_capability_exhausted", **about, **known)


def _write_default_fail(payload: Payload, about: Facts) -> None:
    """Tell that a node fails because a person said no and nothing says what else is to follow.

    At a fallback the person has chosen to stop the run, and no default is in play.
    """
    if payload.get("code") == "rejected" and payload.get("kind") != "fallback":
        capability_id = token(payload.get("capabilityId"))
        logger.info("flex_hitl_rejection_default_fail", **about, capability_id=capability_id)


_Writer = Callable[[Payload, Facts], None]
_OF_A_PLAN: tuple[_Writer, ...] = (_write_reach, _write_unreachable_pins, _write_ignored_drops)
WRITERS: Mapping[str, tuple[_Writer, ...]] = {
    "plan_generated": _OF_A_PLAN,
    "plan_updated": _OF_A_PLAN,
    "plan_rejected": (_write_refused_facets, _write_refused_pins, _write_refused_drops),
    "plan_fallback": (_write_unmade_facets,),
    "node_error": (_write_given_up, _write_default_fail),
    "hitl_request": (_write_handed_over,),
}
"""By type of frame."""
