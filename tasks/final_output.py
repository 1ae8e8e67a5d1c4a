"""The run's result: composed from the plan's outputs, and held against the caller's contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.repositories.plans import StoredPlan
from models.repositories.runs import Run
from planner.contracts.compiler import compile_contract
from planner.contracts.facets import FacetCatalogue
from planner.contracts.json_schema import validator_for
from planner.progress.checks import Observed, observe
from planner.progress.output import blame, compose_output


@dataclass(frozen=True, slots=True)
class Composed:
    """A result with its faults and the nodes that made the faulty parts, and what its constraints say."""

    output: Any
    facets: Mapping[str, Any]
    provenance: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...] = ()
    observed: tuple[Observed, ...] = ()

    @property
    def blamed(self) -> tuple[str, ...]:
        """Return the ids of the nodes that made the faulty parts, each once."""
        return tuple(dict.fromkeys(f["nodeId"] for f in self.findings if f.get("nodeId")))

    def findings_of(self, node_id: str) -> tuple[Mapping[str, Any], ...]:
        return tuple(finding for finding in self.findings if finding.get("nodeId") == node_id)


def compose(
    run: Run, stored: StoredPlan, outputs: Mapping[str, Mapping[str, Any]], catalogue: FacetCatalogue
) -> Composed:
    """Return the result of a run whose nodes have all settled."""
    plan = stored.plan
    output = compose_output(plan, outputs, stored.values)
    contract = run.envelope["outputContract"]
    observed = observe(contract.get("constraints") or (), output)
    faults = [*_faults(contract, output, catalogue), *(one.as_finding() for one in observed if one.broken)]
    findings = tuple({**found, "nodeId": blame(plan, found["pointer"], outputs)} for found in faults)
    last = {facet: value for node_id in plan.order for facet, value in outputs.get(node_id, {}).items()}
    provenance = {
        node_id: {"capabilityId": plan.node(node_id).capability_id, "facets": list(plan.node(node_id).output_facets)}
        for node_id in plan.order
        if node_id in outputs
    }
    return Composed(output, last, provenance, findings, observed)


def _faults(contract: Mapping[str, Any], output: Any, catalogue: FacetCatalogue) -> list[dict[str, Any]]:
    if "schema" in contract:
        return [problem.as_json() for problem in validator_for(contract["schema"]).problems(output)]
    if facets := contract.get("facets"):
        compiled = compile_contract(catalogue, facets, "output")
        return [problem.as_json() for problem in compiled.problems(compiled.from_facets(output))]
    return []
