"""The fixed plans, and the modes of the planner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.modes import plan_in_mode
from planner.assembly.static import STATIC_PLANS, static_plan
from planner.contracts.capabilities import RegistrySnapshot
from planner.plan.graph import PlanGraph
from tests.support.drafts import BLOG, BRIEFING, LINKEDIN, REVIEW, codes
from tests.support.planning import (
    catalogue,
    envelope,
    facet_contract,
    like,
    linkedin,
    registry,
    variants,
    with_capabilities,
)
from tests.support.planning import object_contract as contract_of

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"


def fixed(raw: dict[str, Any], snapshot: RegistrySnapshot | None = None) -> PlanGraph:
    return static_plan(envelope(raw), snapshot or registry(), catalogue())


def capability_ids(plan: PlanGraph) -> set[str]:
    return {node.capability_id for node in plan.nodes if node.capability_id}


@pytest.mark.parametrize("name", ["linkedin", "blog"])
def test_the_samples_get_their_fixed_plans(name: str) -> None:
    plan = fixed(json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8")))

    assert plan.metadata["staticPlan"] == name
    assert plan.metadata["plannerRuntime"] == "static"
    assert plan.metadata["registryDigest"] == registry().digest
    assert capability_ids(plan) == set(STATIC_PLANS[name])


def test_a_fixed_plan_fits_the_callers_own_property() -> None:
    plan = fixed(linkedin(contract_of(variants=variants())))

    assert plan.metadata["staticPlan"] == "linkedin"


def test_better_capabilities_change_no_fixed_plan() -> None:
    better = like(LINKEDIN, capability_id="acme.writer", cost={"estimatedTokens": 1})
    prefer = {"planner": {"selection": {"prefer": ["acme.writer"]}}}

    plan = fixed(linkedin(policies=prefer), with_capabilities(better))

    assert capability_ids(plan) == {BRIEFING, LINKEDIN, REVIEW}


def test_without_a_reviewer_the_fixed_plan_has_none() -> None:
    plan = fixed(linkedin(), with_capabilities(without=[REVIEW]))

    assert capability_ids(plan) == {BRIEFING, LINKEDIN}


@pytest.mark.parametrize(
    ("contract", "without", "also"),
    [
        (facet_contract("positioning"), (), set()),
        (facet_contract("copyVariants", "longFormDraft"), (), set()),
        (facet_contract("longFormDraft"), (BRIEFING,), {"missing_inputs"}),
        (facet_contract("longFormDraft"), (BLOG,), {"no_producer"}),
    ],
)
def test_other_work_is_refused_with_the_way_out(
    contract: dict[str, Any], without: tuple[str, ...], also: set[str]
) -> None:
    with pytest.raises(PlanRejectedError) as refused:
        fixed(linkedin(contract), with_capabilities(without=without))

    found = {one.code: one for one in refused.value.diagnostics}
    assert "deterministic or hybrid" in (found["static_plan_unknown"].suggestion or "")
    assert also <= codes(refused.value.diagnostics)


def test_only_the_static_mode_uses_the_fixed_plans() -> None:
    task = envelope(linkedin())

    runtimes = {
        mode: plan_in_mode(mode, task, registry(), catalogue()).metadata["plannerRuntime"]
        for mode in ("static", "deterministic", "hybrid")
    }

    assert runtimes == {"static": "static", "deterministic": "deterministic", "hybrid": "deterministic"}
