"""Make a plan's nodes of steps: facets, compiled schemas, the reasons for the choice, instructions and limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.assembly.branches import Branches, divide_instructions
from planner.assembly.choice import Choice, excluded
from planner.assembly.layout import BRANCH, JOIN, Step
from planner.assembly.request import PlanRequest
from planner.assembly.scoring import ranked
from planner.assembly.sight import Sight
from planner.assembly.targets import Target
from planner.assembly.transforms import join_transform, output_transform
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.contracts.compiler import UnsatisfiableError, compile_contract, conjoin
from planner.plan.graph import Edge, Node, NodeContract
from planner.plan.identity import Identity

DEFAULT_TIMEOUT_SECONDS = 300.0
EXECUTION_ATTEMPTS = 3
OTHER_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that nodes are made from."""

    request: PlanRequest
    choice: Choice
    branches: Branches | None
    sight: Sight
    registry: RegistrySnapshot


def make_nodes(draft: Draft) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Return the nodes of the draft's steps, in their order, and the edges between them."""
    identities = _identities(draft)
    ids = {name: identity.node_id for name, identity in identities.items()}
    nodes = tuple(_node(step, identities[step.name], draft, ids) for step in draft.sight.steps)
    edges = tuple(
        Edge(ids[parent], ids[step.name], "branch" if parent == BRANCH else "sequence")
        for step in draft.sight.steps
        for parent in step.after
    )
    return nodes, edges


def _identities(draft: Draft) -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    for step in draft.sight.steps:
        path = () if step.branch is None or draft.branches is None else (draft.branches.labels[step.branch],)
        takes, makes = _facets(step)
        identity = Identity(step.capability.capability_id if step.capability else step.name, takes, makes, path)
        found[step.name] = identity.among(known.node_id for known in found.values())
    return found


def _facets(step: Step) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if step.capability is not None:
        return step.capability.input_facets, step.capability.output_facets
    return step.facets, step.facets if step.name == JOIN else ()


def _node(step: Step, identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    if step.capability is not None:
        return _capability_node(step, step.capability, identity, draft)
    if step.name == BRANCH:
        return _branch_node(identity, draft, ids)
    return _transformation_node(step, identity, draft, ids)


def _capability_node(step: Step, capability: Capability, identity: Identity, draft: Draft) -> Node:
    visible = draft.sight.visible(step, draft.request.given)
    optional = tuple(f for f in capability.optional_input_facets if f in visible)
    taken = compile_contract(draft.request.catalogue, capability.input_facets, "input", optional=optional)
    made = compile_contract(draft.request.catalogue, capability.output_facets, "output")
    label = draft.branches.labels[step.branch] if draft.branches and step.branch is not None else None
    asked = _asked_of(step, draft)
    return Node(
        identity=identity,
        kind=step.kind,
        label=capability.display_name + (f" ({label})" if label else ""),
        capability_id=capability.capability_id,
        capability_version=capability.version,
        input_facets=capability.input_facets,
        optional_input_facets=optional,
        output_facets=capability.output_facets,
        input_schema=taken.schema,
        output_schema=_promised(_own_schema(capability, made.schema), asked, step, draft),
        provenance={
            "input": [p.as_json() for p in taken.provenance],
            "output": [p.as_json() for p in made.provenance],
        },
        contract=NodeContract(EXECUTION_ATTEMPTS if step.kind == "execution" else OTHER_ATTEMPTS, "hitl"),
        alternatives=_alternatives(capability, visible, draft),
        rationale=_rationale(step, capability, asked, draft),
        instructions=_instructions(step, draft),
        score=_score(capability, draft),
        branch=label,
        timeout_seconds=float(capability.metadata.get("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS)),
        executor_type="ai",
        metadata={
            "stage": step.kind,
            "cost": draft.choice.prices[capability.capability_id],
            **({"reviews": list(step.reviews)} if step.reviews else {}),
        },
    )


def _branch_node(identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    branches = draft.branches
    labels = branches.labels if branches else ()
    members = [[ids[s.name] for s in draft.sight.steps if s.branch == index] for index in range(len(labels))]
    told = [{"label": label, "nodeIds": nodes} for label, nodes in zip(labels, members, strict=True)]
    return Node(
        identity=identity,
        kind="branch",
        label=f"Branch into {len(labels)}",
        rationale=(f"{len(labels)} variants are asked for, so {len(labels)} branches make one each, side by side.",),
        executor_type="virtual",
        metadata={"stage": "branch", "reason": branches.reason if branches else "", "branches": told},
    )


def _transformation_node(step: Step, identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    request, sight = draft.request, draft.sight
    if step.name == JOIN:
        transform = join_transform(step, sight, request, ids)
        made = _facet_schema(step.facets, request)
        why = f"Makes one value of what the branches made of {', '.join(step.facets)}, for those that come after."
    else:
        transform = output_transform(step, draft.choice.targets, sight, request, draft.branches, ids)
        contract = request.contract
        made = contract.schema if contract.schema is not None else _facet_schema(step.facets, request)
        why = f"Fits {', '.join(step.facets)} to the caller's contract."
    return Node(
        identity=identity,
        kind="transformation",
        label="Join the branches" if step.name == JOIN else "Compose the result",
        input_facets=step.facets,
        output_facets=step.facets if step.name == JOIN else (),
        input_schema=_arriving_schema(step, draft),
        output_schema=made,
        provenance={"input": _provenance(step.facets, request, "input"), "output": _asked_by(step, request)},
        rationale=(why,),
        executor_type="virtual",
        transform=transform,
        metadata={"stage": "transformation"},
    )


def _asked_of(step: Step, draft: Draft) -> list[Target]:
    """Return the targets whose value in the result comes from this step."""
    return [t for t in draft.choice.targets if t.produced and step in draft.sight.origins(t.facet)]


def _own_schema(capability: Capability, compiled: dict[str, Any]) -> dict[str, Any]:
    """Return the compiled schema, held to what the capability's own registration promises beyond it."""
    own = capability.output_schema
    if not own or own == compiled:
        return compiled
    return conjoin(compiled, own)  # type: ignore[no-any-return]  # two object schemas make one


def _promised(schema: dict[str, Any], asked: Iterable[Target], step: Step, draft: Draft) -> dict[str, Any]:
    """Return the output schema strengthened by what the caller's contract asks of each target facet.

    A demand that contradicts an earlier one (two parts of the contract filled by one facet) is left to the final check.
    """
    properties, required = dict(schema["properties"]), list(schema.get("required", ()))
    for target in asked:
        key = draft.request.catalogue.get(target.facet).property_key
        try:
            properties[key] = conjoin(properties[key], _demand(target, step, draft.branches))
        except UnsatisfiableError:
            continue
        required += [key] if key not in required else []
    return {**schema, "properties": properties, "required": required}


def _demand(target: Target, step: Step, branches: Branches | None) -> dict[str, Any]:
    if branches is None or step.branch is None or not target.branchable:
        return target.demand()
    if target.facet != branches.target.facet:
        return {} if target.place is None else target.demand()
    return target.demand(items=branches.items[step.branch], start=branches.start(step.branch))


def _alternatives(capability: Capability, visible: frozenset[str], draft: Draft) -> tuple[str, ...]:
    able = [
        draft.choice.scores[name]
        for name, other in draft.choice.usable.items()
        if name != capability.capability_id
        and set(capability.output_facets) <= set(other.output_facets)
        and visible.issuperset(other.input_facets)
    ]
    return tuple(found.capability_id for found in ranked(able))


def _score(capability: Capability, draft: Draft) -> dict[str, Any]:
    winner = draft.choice.scores[capability.capability_id]
    chosen = {c.capability_id for c in draft.choice.capabilities}
    rivals = [r for r in draft.choice.rivals(capability) if r.capability_id not in chosen]
    refused = excluded(draft.registry, draft.request, set(capability.output_facets) & draft.choice.wanted)
    return {
        **winner.as_json(),
        "runnersUp": [
            {"capabilityId": r.capability_id, "total": r.total, "lostOn": r.lost_on(winner) or ["plan_cost"]}
            for r in rivals
        ],
        "refused": [{"capabilityId": name, "reason": reason} for name, reason in refused],
    }


def _rationale(step: Step, capability: Capability, asked: Iterable[Target], draft: Draft) -> tuple[str, ...]:
    sentences = [
        f"Makes {t.facet}, which the contract asks for{f' at {t.pointer}' if t.pointer else ''}." for t in asked
    ]
    if step.reviews:
        sentences.append(f"Reviews {', '.join(step.reviews)} before it reaches the result.")
    used = [f for f in capability.output_facets if any(f in _takes(s) and s is not step for s in draft.sight.steps)]
    if used and not sentences:
        sentences.append(f"Makes {', '.join(used)}, which later steps need.")
    if capability.capability_id in (draft.request.policy.require or ()):
        sentences.append("Required by policies.planner.selection.require.")
    rivals = _score(capability, draft)["runnersUp"][:3]
    sentences += [f"Chosen over {r['capabilityId']}, which lost on {', '.join(r['lostOn'])}." for r in rivals]
    return tuple(sentences)


def _takes(step: Step) -> tuple[str, ...]:
    if step.capability is None:
        return step.facets
    return (*step.capability.input_facets, *step.capability.optional_input_facets)


def _instructions(step: Step, draft: Draft) -> tuple[str, ...]:
    """Return what the caller tells this node; a branch hears what is shared and what is its own."""
    branches, told = draft.branches, draft.request.instructions
    if branches is None or step.branch is None:
        return told
    own = divide_instructions(told, branches.labels)[step.branch]
    if step.kind != "execution":
        return own
    count = branches.items[step.branch]
    makes = "exactly one item" if count == 1 else f"exactly {count} items"
    return (*own, f"This is variant {branches.labels[step.branch].upper()} of {len(branches.labels)}: make {makes}.")


def _arriving_schema(step: Step, draft: Draft) -> dict[str, Any]:
    """Return the schema of what a transformation gets: a facet's value, or one per branch with its label."""
    properties = {}
    for facet in step.facets:
        schema = draft.request.catalogue.get(facet).schema
        if draft.sight.branched(facet, step):
            entry = {"branch": {"type": ["string", "null"]}, "value": schema}
            schema = {
                "type": "array",
                "items": {"type": "object", "properties": entry, "required": ["branch", "value"]},
            }
        properties[facet] = schema
    return {"type": "object", "properties": properties, "additionalProperties": True}


def _facet_schema(facets: Iterable[str], request: PlanRequest) -> dict[str, Any]:
    names = list(facets)
    return {
        "type": "object",
        "properties": {name: request.catalogue.get(name).schema for name in names},
        "required": names,
        "additionalProperties": True,
    }


def _provenance(facets: Iterable[str], request: PlanRequest, direction: str) -> list[dict[str, str]]:
    return [
        {"facet": name, "title": request.catalogue.get(name).title, "direction": direction, "pointer": f"/{name}"}
        for name in facets
    ]


def _asked_by(step: Step, request: PlanRequest) -> list[dict[str, str]]:
    return _provenance(step.facets, request, "output") if step.name == JOIN else []
