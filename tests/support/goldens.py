"""The envelopes whose whole plans are kept under version control, and how a plan is made comparable."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner.assembly.assemble import assemble_plan
from planner.assembly.diagnostics import PlanRejectedError, report
from planner.assembly.request import Directions, Situation
from planner.contracts.capabilities import RegistrySnapshot
from planner.envelope import envelope_from_json
from planner.plan.codec import plan_to_json
from planner.plan.graph import PlanGraph
from tests.support.planning import (
    catalogue,
    facet_contract,
    like,
    linkedin,
    object_contract,
    registry,
    variants,
    with_capabilities,
)

FOLDER = Path(__file__).parent.parent / "unit" / "planner" / "assembly" / "golden"
WRITER, BLOGGER = "ContentGeneratorAgent.linkedinVariants", "ContentGeneratorAgent.blogPost"
COMPANY = {"name": "Harbour Boats", "brand_assets": ["https://example.com/logo.svg"]}
ARTICLE = {"type": "object", "required": ["title", "body"], "properties": {"title": {"type": "string"}}}
DIRECTIONS = tuple({"label": label, "angle": f"The {label}"} for label in ("yard", "people", "sea"))


@dataclass(frozen=True)
class Golden:
    """An envelope, the registry that it is planned with, and what else the planner is told."""

    raw: dict[str, Any]
    registry: RegistrySnapshot
    fallbacks: bool = False
    situation: Situation = field(default_factory=Situation)

    def plan(self) -> PlanGraph:
        return assemble_plan(
            envelope_from_json(self.raw, catalogue()),
            self.registry,
            catalogue(),
            fallbacks=self.fallbacks,
            situation=self.situation,
        )


def planner(**groups: Any) -> dict[str, Any]:
    return {"planner": groups}


def positioning() -> dict[str, Any]:
    """Return an envelope for a recommendation and the messages that follow from it."""
    return {
        "objective": "Say where Harbour Boats stands",
        "inputs": {"company_information": COMPANY, "positioning_context": {"company": "Harbour Boats"}},
        "outputContract": facet_contract("positioning_recommendation", "messaging_stack"),
    }


def welcome() -> dict[str, Any]:
    """Return an envelope for a brief and a text that welcome a colleague; no person has to approve it."""
    return {
        "objective": "Welcome a colleague",
        "inputs": {
            "company_information": COMPANY,
            "post_context": {"type": "new_employee", "data": {"employee_name": "Person", "start_date": "2025-11-01"}},
            "feedback": [],
        },
        "outputContract": facet_contract("creative_brief", "strategic_rationale", "handoff_summary", "post_copy"),
    }


def routing() -> dict[str, Any]:
    """Return an envelope that takes one of three ways."""
    directive = {
        "routes": [
            {"to": "yard.Bold", "condition": {"dsl": "facets.planKnobs.hookIntensity > 0.6"}, "label": "bold"},
            {"to": "yard.Calm", "if": "facets.planKnobs.hookIntensity < 0.3"},
        ],
        "elseTo": WRITER,
    }
    contract = object_contract(copyVariants=variants(1, 3))
    return linkedin(contract, inputs={"variantCount": None}, policies=planner(directives={"routing": directive}))


def goldens() -> dict[str, Golden]:
    """Return every golden plan's making by its name."""
    free = object_contract(copyVariants=variants(1, 6))
    derived = with_capabilities(like(BLOGGER, supported_facets=("copyVariants",)), without=[WRITER])
    ways = with_capabilities(like(WRITER, capability_id="yard.Bold"), like(WRITER, capability_id="yard.Calm"))
    limited = linkedin(policies={"channels": {"linkedin": {"maxLength": 1300}}})
    blog = linkedin(object_contract(longFormDraft=ARTICLE), inputs={"channel": "blog", "variantCount": None})
    three = Situation(directions=Directions("strategicDirections", "briefing", DIRECTIONS))
    return {
        "linkedin": Golden(linkedin(), registry()),
        "linkedin_1300": Golden(limited, registry()),
        "blog": Golden(blog, registry()),
        "fallback": Golden(linkedin(), with_capabilities(without=[WRITER]), fallbacks=True),
        "derived": Golden(linkedin(), derived),
        "positioning": Golden(positioning(), registry()),
        "welcome_post": Golden(welcome(), registry()),
        "directions_before": Golden(linkedin(free, inputs={"variantCount": None}), registry()),
        "directions": Golden(linkedin(free, inputs={"variantCount": None}), registry(), situation=three),
        "routing": Golden(routing(), ways),
    }


def refusal() -> dict[str, Any]:
    """Return why nobody may make a finished post: people do that."""
    refused = Golden(linkedin(facet_contract("post_visual", "post")), registry())
    try:
        refused.plan()
    except PlanRejectedError as rejected:
        return report(rejected.diagnostics)
    return {}


def normalised(plan: PlanGraph) -> dict[str, Any]:
    """Return the stored form of a plan without what changes when a description in the catalogue is reworded."""
    document = plan_to_json(plan)
    for digest in ("registryDigest", "catalogueDigest"):
        document["metadata"][digest] = "…"
    return dict(json.loads(json.dumps(document)))


def write() -> None:
    """Write all kept plans anew."""
    found = {name: normalised(golden.plan()) for name, golden in goldens().items()} | {"refusal": refusal()}
    for name, document in found.items():
        text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
        (FOLDER / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
