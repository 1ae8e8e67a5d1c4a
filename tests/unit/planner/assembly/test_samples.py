"""Every shape of envelope that clients send today plans, or is refused for a reason that is right."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.diagnostics import PlanRejectedError
from tests.support.goldens import Golden
from tests.support.planning import registry
from tests.unit.planner import test_intake_samples as samples

PLANNED = {
    "without a mode": samples.WITHOUT_MODE,
    "clarify": samples.CLARIFY,
    "old policies": samples.OLD_POLICIES,
    "goals left out": samples.WITH_GOALS,
}
REFUSED = {
    # Nobody says which company it is about, and `copywriter` is the name of no capability.
    "drafting": (samples.DRAFTING, {"missing_inputs", "pinned_capability_unknown"}),
    # A finished post and its approval are made by people.
    "welcome": (samples.WELCOME, {"producer_human"}),
    # Its goals speak of a post's text, for which there is no brief, and of a picture, which a person makes.
    "goals": (samples.WITH_GOALS, {"missing_inputs", "producer_human"}),
}


@pytest.mark.parametrize("name", PLANNED)
def test_it_plans(name: str) -> None:
    plan = Golden(without_missing_goals(PLANNED[name]), registry()).plan()
    assert any(node.kind == "execution" for node in plan.nodes)
    assert plan.metadata["status"] in {"accepted", "accepted_with_findings"}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_for_a_reason_that_is_right(name: str) -> None:
    raw, codes = REFUSED[name]
    with pytest.raises(PlanRejectedError) as rejected:
        Golden(raw, registry()).plan()
    assert {finding.code for finding in rejected.value.diagnostics} == codes


def without_missing_goals(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the envelope without goals: what they ask of which facet is another test's."""
    return {key: value for key, value in raw.items() if key != "goal_condition"}
