"""The handshake with a model that proposes plans: the prompt out, its answer in, and who wins.

The search's own plan comes first: where it finds none, no draft could be one. Each answer is read, built with the
planner's own hands and proved by the same checks. A draft wins if it is valid and costs at most `MARGIN_PERCENT` more
than the search's plan, or whatever it costs if the envelope sets `policies.planner.directives.preferDraft`. An invalid
draft goes back with its faults; one that is valid and too dear ends the talk, since nothing cheaper is left to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from planner.assembly.assemble import plan_of
from planner.assembly.choice import choose
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.draft_ground import Ground
from planner.assembly.draft_plan import facets_not_taken, plan_from_draft
from planner.assembly.draft_prompt import Prompt, Refused, write_prompt
from planner.assembly.draft_reader import read_draft
from planner.assembly.explain import plan_cost
from planner.assembly.reachability import ROW_CAP
from planner.assembly.request import Situation, read_request
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import PlanGraph

MARGIN_PERCENT = 10
MAX_ATTEMPTS = 3
Phase = Literal["initial", "replan"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer. `plan` is there if the draft won; `again` says whether asking again may help."""

    document: Any
    diagnostics: tuple[Diagnostic, ...] = ()
    plan: PlanGraph | None = None
    again: bool = False

    @property
    def refused(self) -> Refused:
        return Refused(self.document, self.diagnostics)


@dataclass(frozen=True, slots=True)
class Drafting:
    """One planning's talk with a model: what is asked for, and the plan of the search that a draft is held against."""

    envelope: TaskEnvelope
    ground: Ground
    plan: PlanGraph
    phase: Phase = "initial"
    so_far: Mapping[str, Any] | None = None
    most_rows: int = ROW_CAP

    @classmethod
    def of(
        cls,
        envelope: TaskEnvelope,
        registry: RegistrySnapshot,
        catalogue: FacetCatalogue,
        *,
        version: int = 1,
        fallbacks: bool = False,
        situation: Situation | None = None,
        so_far: Mapping[str, Any] | None = None,
        most_rows: int = ROW_CAP,
    ) -> Drafting:
        """Search for the plan and return the talk about it.

        `version`, `fallbacks` and `situation` are those of `assemble_plan`; `so_far` tells of the plan that a new
        version replaces (see `describe_plan`); `most_rows` is that of `assemble_plan`, and the most capabilities that a
        prompt lists if it is lower than the prompt's own cap.

        Raises PlanRejectedError where the search finds no plan: then there is nothing to talk about.
        """
        request = read_request(envelope, catalogue, situation)
        ground = Ground(request, registry, choose(request, registry, fallbacks=fallbacks, most_rows=most_rows))
        plan = plan_of(request, ground.choice, registry, version=version)
        return cls(envelope, ground, plan, "replan" if so_far else "initial", so_far, most_rows)

    def prompt(self, refused: Refused | None = None) -> Prompt:
        """Return the prompt of the next attempt; `refused` is the one before it."""
        return write_prompt(self.envelope, self.ground, refused=refused, so_far=self.so_far, most_rows=self.most_rows)

    def judge(self, answer: str) -> Verdict:
        """Return what becomes of a model's answer, whatever it says."""
        reading = read_draft(answer)
        if reading.draft is None:
            return Verdict(reading.document, reading.faults, again=True)
        try:
            plan = plan_from_draft(reading.draft, self.ground, heeded=self.prefers_draft, version=self.plan.version)
        except PlanRejectedError as error:
            return Verdict(reading.document, error.diagnostics, again=True)
        cost, least = self._cost(plan), self._cost(self.plan)
        if not self.prefers_draft and cost * 100 > least * (100 + MARGIN_PERCENT):
            return Verdict(reading.document, (_too_costly(cost, least),))
        told: dict[str, Any] = {"plannerRuntime": "llm", "plannerDraftNodeCount": len(reading.draft.nodes)}
        if dropped := facets_not_taken(reading.draft, self.ground.registry):
            told["plannerDroppedFacets"] = dropped
        drafting = {"cost": cost, "searchCost": least, "preferred": self.prefers_draft}
        return Verdict(reading.document, plan=with_metadata(plan, **told, drafting=drafting))

    @property
    def open(self) -> bool:
        """Whether a draft could win: not where the search asks a person, derives, or follows given directions."""
        choice, situation = self.ground.choice, self.ground.request.situation
        return not (choice.asks or choice.derived or situation.directions)

    @property
    def prefers_draft(self) -> bool:
        """Whether the caller wants a valid draft whatever it costs, and its instructions heeded."""
        return self.envelope.policies.planner.directives.get("preferDraft") is True

    def _cost(self, plan: PlanGraph) -> int:
        return int(plan_cost(plan, self.ground.registry)["total"])


def with_metadata(plan: PlanGraph, **members: Any) -> PlanGraph:
    """Return the plan with these members of its metadata set; an object is laid over one that is there."""
    laid = {
        key: {**plan.metadata[key], **value} if isinstance(value, dict) and key in plan.metadata else value
        for key, value in members.items()
    }
    return replace(plan, metadata={**plan.metadata, **laid})


def _too_costly(cost: int, least: int) -> Diagnostic:
    return Diagnostic(
        "draft_too_costly",
        f"The draft is valid and costs {cost}; the search's plan costs {least}, and at most {MARGIN_PERCENT} % more is "
        "accepted.",
        "warning",
        suggestion="Set policies.planner.directives.preferDraft to take valid drafts whatever they cost.",
    )
