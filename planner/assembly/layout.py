"""Lay the chosen capabilities out as steps: who waits for whom, where branches open and close, who reviews what.

Three phases. First the *order*: each capability waits for the makers of what it needs, and of what it can use as well
where that makes no ring; two makers of one facet that a third would see side by side are put in a row, so that there is
always one latest value. Then the *steps*: the branching capability becomes a branch step and its copies, deliverables
get their reviewers, a join gathers what branches made for those that come after, an output step composes the result.
Last, what waits for a step through another one no longer waits for it directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from planner.assembly.branches import Branches
from planner.assembly.choice import Choice
from planner.assembly.request import PlanRequest
from planner.assembly.scoring import ranked
from planner.contracts.capabilities import Capability
from planner.plan.graph import NodeKind

BRANCH, JOIN, OUTPUT = "branch", "join", "output"


@dataclass(frozen=True, slots=True)
class Step:
    """A node to be: `after` names the steps it waits for; `facets` are those that a join gathers."""

    name: str
    kind: NodeKind
    capability: Capability | None = None
    branch: int | None = None
    after: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()


def lay_out(
    request: PlanRequest, choice: Choice, branches: Branches | None, *, review: bool = True
) -> tuple[Step, ...]:
    """Return the steps of the plan, each behind the steps it waits for."""
    waits = _order(request, choice)
    reviewers = _reviewers(request, choice, waits) if review and not request.forbids("validation") else {}
    steps: list[Step] = []
    tails: dict[str, tuple[str, ...]] = {}
    for capability in _sorted(choice.capabilities, waits):
        name = capability.capability_id
        after = tuple(dict.fromkeys(tail for parent in waits[name] for tail in tails[parent]))
        if branches is not None and name == branches.capability_id:
            made, ends = _branch_steps(capability, after, branches, reviewers.get(name))
            needed = _used_later(capability, choice, waits)
            if needed:
                made.append(Step(JOIN, "transformation", after=ends, facets=needed))
                ends = (JOIN,)
        else:
            made, ends = _plain_steps(capability, after, reviewers.get(name))
        steps += made
        tails[name] = ends
    if request.contract.mode == "json_schema" or branches is not None:
        steps.append(_output_step(steps, choice))
    return _reduced(steps)


def _order(request: PlanRequest, choice: Choice) -> dict[str, list[str]]:
    """Return for each chosen capability the ids of those it waits for."""
    waits: dict[str, list[str]] = {c.capability_id: [] for c in choice.capabilities}
    for index, capability in enumerate(choice.capabilities):
        name = capability.capability_id
        earlier = [c.capability_id for c in choice.capabilities[:index]]
        for facet in capability.input_facets:
            if facet not in request.given:
                makers = [c.capability_id for c in choice.makers(facet) if c.capability_id in earlier]
                _wait(waits, name, makers[:1])
    for capability in choice.capabilities:
        reviewed = capability.input_facets if capability.kind == "validation" else ()
        for facet in (*capability.optional_input_facets, *reviewed):
            name = capability.capability_id
            makers = [c.capability_id for c in choice.makers(facet) if not _depends(waits, c.capability_id, name)]
            _wait(waits, name, [maker for maker in makers if maker != name][:1])
    _put_in_row(choice, waits)
    return waits


def _put_in_row(choice: Choice, waits: dict[str, list[str]]) -> None:
    """Make one of two makers wait for the other wherever somebody, or the result, would see both side by side."""
    while pair := next(_side_by_side(choice, waits), None):
        earlier, later = pair
        _wait(waits, later, [earlier])


def _side_by_side(choice: Choice, waits: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    seers: list[tuple[str | None, Iterable[str]]] = [(c.capability_id, _inputs(c)) for c in choice.capabilities]
    seers.append((None, [t.facet for t in choice.targets]))
    for seer, facets in seers:
        for facet in dict.fromkeys(facets):
            makers = [c.capability_id for c in choice.makers(facet)]
            seen = [m for m in makers if seer is None or (m != seer and _depends(waits, seer, m))]
            for earlier, later in pairwise(seen):
                if not _depends(waits, earlier, later) and not _depends(waits, later, earlier):
                    yield earlier, later


def _wait(waits: dict[str, list[str]], name: str, others: Iterable[str]) -> None:
    waits[name] += [other for other in others if other not in waits[name]]


def _depends(waits: Mapping[str, Sequence[str]], name: str, on: str) -> bool:
    """Whether `name` is `on` or waits for it, however indirectly."""
    front, seen = [name], {name}
    while front:
        new = {parent for step in front for parent in waits[step]} - seen
        seen |= new
        front = list(new)
    return on in seen


def _sorted(capabilities: Sequence[Capability], waits: Mapping[str, Sequence[str]]) -> list[Capability]:
    left, done, ordered = list(capabilities), set[str](), list[Capability]()
    while left:
        ready = next(c for c in left if done.issuperset(waits[c.capability_id]))
        left.remove(ready)
        done.add(ready.capability_id)
        ordered.append(ready)
    return ordered


def _reviewers(
    request: PlanRequest, choice: Choice, waits: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Capability, tuple[str, ...]]]:
    """Return for each maker of a deliverable its best reviewer and the facets to review.

    A reviewer is a usable validation capability that takes the deliverable and has all that it needs at that point. A
    deliverable that a chosen validation capability takes anyway gets no second one.
    """
    found: dict[str, tuple[Capability, tuple[str, ...]]] = {}
    taken = {f for c in choice.capabilities if c.kind == "validation" for f in _inputs(c)}
    deliverables = dict.fromkeys(t.facet for t in choice.targets if t.produced and t.facet not in taken)
    for capability in choice.capabilities:
        name = capability.capability_id
        made = tuple(f for f in deliverables if choice.makers(f)[-1] is capability)
        if capability.kind != "execution" or not made:
            continue
        before = [c for c in choice.capabilities if _depends(waits, name, c.capability_id)]
        visible = set(request.given).union(*(c.output_facets for c in before))
        able = [c for c in choice.usable.values() if _can_review(c, made, visible)]
        best = ranked(choice.scores[c.capability_id] for c in able)
        if best:
            reviewer = choice.usable[best[0].capability_id]
            found[name] = (reviewer, tuple(f for f in made if f in _inputs(reviewer)))
    return found


def _can_review(capability: Capability, made: Sequence[str], visible: set[str]) -> bool:
    takes = set(_inputs(capability)) & set(made)
    return capability.kind == "validation" and bool(takes) and set(capability.input_facets) <= visible


def _inputs(capability: Capability) -> tuple[str, ...]:
    return (*capability.input_facets, *capability.optional_input_facets)


def _used_later(capability: Capability, choice: Choice, waits: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the facets of a branched capability that others take as one value."""
    name = capability.capability_id
    users = [c for c in choice.capabilities if c is not capability and _depends(waits, c.capability_id, name)]
    return tuple(f for f in capability.output_facets if any(f in _inputs(user) for user in users))


Reviewer = tuple[Capability, tuple[str, ...]] | None


def _plain_steps(
    capability: Capability, after: tuple[str, ...], reviewer: Reviewer
) -> tuple[list[Step], tuple[str, ...]]:
    step = Step(capability.capability_id, _kind(capability), capability, after=after)
    if reviewer is None:
        return [step], (step.name,)
    return [step, _review_step(reviewer, step)], (_review_step(reviewer, step).name,)


def _branch_steps(
    capability: Capability, after: tuple[str, ...], branches: Branches, reviewer: Reviewer
) -> tuple[list[Step], tuple[str, ...]]:
    steps = [Step(BRANCH, "branch", after=after)]
    ends: list[str] = []
    for index, label in enumerate(branches.labels):
        name = f"{capability.capability_id}~{label}"
        copy = Step(name, _kind(capability), capability, branch=index, after=(BRANCH,))
        tail = copy if reviewer is None else _review_step(reviewer, copy)
        steps += [copy] if tail is copy else [copy, tail]
        ends.append(tail.name)
    return steps, tuple(ends)


def _review_step(reviewer: tuple[Capability, tuple[str, ...]], of: Step) -> Step:
    capability, facets = reviewer
    name = f"{capability.capability_id} of {of.name}"
    return Step(name, "validation", capability, of.branch, (of.name,), reviews=facets)


def _output_step(steps: Sequence[Step], choice: Choice) -> Step:
    """Return the step that waits for every end of the plan, and so for everything in it."""
    waited_for = {parent for step in steps for parent in step.after}
    ends = tuple(step.name for step in steps if step.name not in waited_for)
    return Step(OUTPUT, "transformation", after=ends, facets=tuple(dict.fromkeys(t.facet for t in choice.targets)))


def _kind(capability: Capability) -> NodeKind:
    return capability.kind  # type: ignore[return-value]  # registration allows only node kinds


def _reduced(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Drop each wait that follows from the others."""
    waits = {step.name: step.after for step in steps}

    def direct(parent: str, others: Sequence[str]) -> bool:
        return not any(_depends(waits, other, parent) for other in others if other != parent)

    return tuple(replace(step, after=tuple(p for p in step.after if direct(p, step.after))) for step in steps)
