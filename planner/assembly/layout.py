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
from planner.assembly.limits import Fit, fits_for, transformers
from planner.assembly.request import PlanRequest
from planner.contracts.capabilities import Capability
from planner.plan.graph import NodeKind

BRANCH, JOIN, OUTPUT, ROUTING, FIT = "branch", "join", "output", "routing", "fit"


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
    fit: Fit | None = None

    @property
    def fits(self) -> bool:
        """Whether the step makes what another one made fit a limit, without a capability."""
        return self.fit is not None and self.capability is None


def lay_out(
    request: PlanRequest, choice: Choice, branches: Branches | None, *, review: bool = True
) -> tuple[Step, ...]:
    """Return the steps of the plan, each behind the steps it waits for."""
    waits = _order(request, choice)
    reviewers = _reviewers(request, choice, waits) if review and not request.forbids("validation") else {}
    steps: list[Step] = []
    tails: dict[str, tuple[str, ...]] = {}
    ways = request.routing.ways if request.routing else ()
    for capability in _sorted(choice.capabilities, waits):
        name = capability.capability_id
        after = tuple(dict.fromkeys(tail for parent in waits[name] for tail in tails[parent]))
        if name in ways:
            if not any(step.name == ROUTING for step in steps):
                steps.append(Step(ROUTING, "routing", after=after))
            after = (ROUTING,)
        fits = _fits(request, choice, capability)
        if branches is not None and name == branches.capability_id:
            made, ends = _branch_steps(
                _cast(request, choice, capability, branches), after, branches, reviewers.get(name)
            )
            needed = _used_later(capability, choice, waits)
            if needed:
                made.append(Step(JOIN, "transformation", after=ends, facets=needed))
                ends = (JOIN,)
        else:
            made, ends = _plain_steps(capability, after, fits, reviewers.get(name))
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
    if request.routing is not None:
        _keep_ways_apart(request.routing.ways, choice, waits)
    _put_in_row(choice, waits, request.routing.ways if request.routing else ())
    return waits


def _keep_ways_apart(ways: Sequence[str], choice: Choice, waits: dict[str, list[str]]) -> None:
    """Let the ways of a routing wait for all that does not wait for them, and who needs one wait for every way."""
    names = [c.capability_id for c in choice.capabilities]
    for name in names:
        if name not in ways and any(_depends(waits, name, way) for way in ways):
            _wait(waits, name, [way for way in ways if not _depends(waits, way, name)])
    before = [n for n in names if n not in ways and not any(_depends(waits, n, way) for way in ways)]
    for way in ways:
        waits[way] = [parent for parent in waits[way] if parent not in ways]
        _wait(waits, way, before)


def _put_in_row(choice: Choice, waits: dict[str, list[str]], ways: Sequence[str]) -> None:
    """Make one of two makers wait for the other wherever somebody, or the result, would see both side by side.

    Of the ways of a routing only one is taken, so nobody sees two of them.
    """
    while pair := next((p for p in _side_by_side(choice, waits) if not set(p) <= set(ways)), None):
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
    taken = {
        f
        for c in choice.capabilities
        if c.kind == "validation"
        for f in _inputs(c)
        if any(_depends(waits, c.capability_id, m.capability_id) for m in choice.makers(f) if m is not c)
    }
    deliverables = dict.fromkeys(t.facet for t in choice.targets if t.produced and t.facet not in taken)
    for capability in choice.capabilities:
        name = capability.capability_id
        ways = request.routing.ways if request.routing else ()
        made = tuple(
            f
            for f in deliverables
            if choice.makers(f)[-1] is capability or (name in ways and f in capability.output_facets)
        )
        if capability.kind != "execution" or not made:
            continue
        before = [c for c in choice.capabilities if _depends(waits, name, c.capability_id)]
        visible = set(request.given).union(*(c.output_facets for c in before))
        reviewer = choice.best(c for c in choice.reviewers() if _can_review(c, made, visible))
        if reviewer is not None:
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


def _fits(
    request: PlanRequest, choice: Choice, capability: Capability, worker: Capability | None = None
) -> tuple[Fit, ...]:
    """Return what has to be made to fit behind a capability, of the targets that it makes last.

    `worker` does the capability's work in its stead.
    """
    ways = request.routing.ways if request.routing else ()
    if capability.capability_id in choice.asks:
        return ()
    mine = tuple(
        t
        for t in choice.targets
        if t.produced
        and t.facet in capability.output_facets
        and (capability.capability_id in ways or choice.makers(t.facet)[-1] is capability)
    )
    able = transformers(choice.usable([t.facet for t in mine], "transformation"), choice.score) if mine else ()
    return fits_for(worker or capability, mine, request, able)


def _plain_steps(
    capability: Capability, after: tuple[str, ...], fits: Iterable[Fit], reviewer: Reviewer
) -> tuple[list[Step], tuple[str, ...]]:
    steps = _with_fits(Step(capability.capability_id, _kind(capability), capability, after=after), fits)
    if reviewer is not None:
        steps.append(_review_step(reviewer, steps[0], steps[-1]))
    return steps, (steps[-1].name,)


def _cast(
    request: PlanRequest, choice: Choice, planned: Capability, branches: Branches
) -> list[tuple[Capability, tuple[Fit, ...]]]:
    """Return for each branch who works in it, and what has to be made to fit behind."""
    return [(capability, _fits(request, choice, planned, capability)) for capability in branches.cast]


def _branch_steps(
    cast: Iterable[tuple[Capability, tuple[Fit, ...]]],
    after: tuple[str, ...],
    branches: Branches,
    reviewer: Reviewer,
) -> tuple[list[Step], tuple[str, ...]]:
    steps = [Step(BRANCH, "branch", after=after)]
    ends: list[str] = []
    for index, (label, (capability, fits)) in enumerate(zip(branches.labels, cast, strict=True)):
        name = f"{capability.capability_id}~{label}"
        copies = _with_fits(Step(name, _kind(capability), capability, branch=index, after=(BRANCH,)), fits)
        if reviewer is not None:
            copies.append(_review_step(reviewer, copies[0], copies[-1]))
        steps += copies
        ends.append(copies[-1].name)
    return steps, tuple(ends)


def _with_fits(step: Step, fits: Iterable[Fit]) -> list[Step]:
    """Return the step with those behind it that make its values fit, one after the other."""
    steps = [step]
    for fit in fits:
        name = f"{FIT} {fit.facet} of {step.name}"
        more = Step(name, "transformation", fit.by, step.branch, (steps[-1].name,), (fit.facet,), fit=fit)
        steps.append(more)
    return steps


def _review_step(reviewer: tuple[Capability, tuple[str, ...]], of: Step, behind: Step) -> Step:
    capability, facets = reviewer
    name = f"{capability.capability_id} of {of.name}"
    return Step(name, "validation", capability, of.branch, (behind.name,), reviews=facets)


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
