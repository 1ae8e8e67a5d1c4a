"""What limits the text of a result beyond its facet, who can keep to it, and what is done where a capability cannot.

A limit comes from the caller's contract or from the rule of `policies.channels` for the channel asked for. It is laid
onto the output schema of the node that makes the text. Where what a registration promises excludes it, a node behind
that one makes the text fit: a registered transformation that can, else one of the planner's own, which only shortens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.assembly.request import PlanRequest
from planner.assembly.scoring import ranked
from planner.assembly.targets import Target
from planner.contracts.capabilities import Capability
from planner.contracts.compiler import UnsatisfiableError, conjoin
from planner.contracts.shapes import merged, types_of
from policies.errors import pointer

MAIN_TEXTS = ("body", "copy", "text", "content")
"""The members of a deliverable that hold its text, where it is no plain text itself."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a facet's value has to meet, and the place of the envelope that asks for it."""

    schema: dict[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Texts at `path` inside a facet's value are shortened to `longest` characters."""

    path: tuple[str, ...]
    longest: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A facet that its maker cannot promise to keep within a limit, and how it is made to fit."""

    facet: str
    cuts: tuple[Cut, ...]
    sources: tuple[str, ...]
    by: Capability | None = None


def channel_rule(request: PlanRequest) -> tuple[str, dict[str, Any]]:
    """Return the channel and its rule, an empty one where there is none."""
    channel = (request.wish.channel or "").strip().lower()
    rules = {name.strip().lower(): rule for name, rule in request.channels.items()}
    return channel, rules.get(channel, {})


def channel_demand(facet: str, request: PlanRequest) -> Demand | None:
    """Return what the channel's rule asks of the text of a facet, None where it asks nothing or there is no text."""
    channel, rule = channel_rule(request)
    leaf: dict[str, Any] = {key: rule[key] for key in rule if key in {"minLength", "maxLength"}}
    if "maxHashtags" in rule:
        leaf["pattern"] = f"^[^#]*(?:#[^#]*){{0,{rule['maxHashtags']}}}$"
    schema = _around_text(request.catalogue.get(facet).schema, leaf) if leaf else None
    return None if schema is None else Demand(schema, pointer("policies", "channels", channel))


def channel_instructions(request: PlanRequest) -> tuple[str, ...]:
    """Return what the channel's rule says that no schema can hold."""
    channel, rule = channel_rule(request)
    told = {"language": "Write in this language", "tone": "Keep this tone"}
    return tuple(f"{words} (rule of the channel {channel}): {rule[key]}." for key, words in told.items() if key in rule)


def demands_on(target: Target, request: PlanRequest, own: dict[str, Any]) -> Iterator[Demand]:
    """Yield what is asked of a target's value: `own`, by the contract, and what the channel asks."""
    where = "/outputContract" + ("" if target.place is None else f"/schema{_at(target)}")
    if own:
        yield Demand(own, where)
    if demand := channel_demand(target.facet, request):
        yield demand


def fits_for(
    capability: Capability, targets: tuple[Target, ...], request: PlanRequest, able: tuple[Capability, ...]
) -> tuple[Fit, ...]:
    """Return the facets of a capability that have to be made to fit; `able` are the usable transformations."""
    found = []
    for target in targets:
        broken = [
            d for d in demands_on(target, request, target.demand()) if not promises(capability, target, request, d)
        ]
        if not broken:
            continue
        helper = next((c for c in able if _can_fit(c, capability, target, request, broken)), None)
        cuts = tuple(dict.fromkeys(cut for demand in broken for cut in _cuts(demand.schema)))
        if helper or cuts:
            found.append(Fit(target.facet, cuts, tuple(d.source for d in broken), helper))
    return tuple(found)


def promises(capability: Capability, target: Target, request: PlanRequest, demand: Demand) -> bool:
    """Whether what the registration promises leaves room for the demand."""
    facet = request.catalogue.get(target.facet)
    own = capability.output_schema.get("properties", {}).get(facet.property_key, facet.schema)
    try:
        conjoin(own, demand.schema)
    except UnsatisfiableError:
        return False
    return True


def fitting_expression(fit: Fit) -> str:
    """Return the JMESPath expression that shortens the facet's texts."""
    text = f'"{fit.facet}"'
    for cut in fit.cuts:
        names = ", ".join(f'"{name}"' for name in cut.path)
        text = f"shorten({text}, `[{names}]`, `{cut.longest}`)"
    return text


def transformers(choices: tuple[Capability, ...], scores: Any) -> tuple[Capability, ...]:
    """Return the transformation capabilities among `choices`, best first."""
    by_id = {c.capability_id: c for c in choices if c.kind == "transformation"}
    return tuple(by_id[s.capability_id] for s in ranked(scores(c) for c in by_id.values()))


def _can_fit(helper: Capability, maker: Capability, target: Target, request: PlanRequest, broken: list[Demand]) -> bool:
    takes = (*helper.input_facets, *helper.optional_input_facets)
    there = {*request.given, *maker.input_facets, *maker.output_facets}
    return (
        target.facet in takes
        and target.facet in helper.output_facets
        and set(helper.input_facets) <= there
        and all(promises(helper, target, request, demand) for demand in broken)
    )


def _around_text(schema: Any, leaf: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that asks `leaf` of the main text of values of `schema`."""
    flat = merged(schema)
    kinds = types_of(flat)
    if kinds == {"string"}:
        return dict(leaf)
    if kinds == {"array"}:
        items = _around_text(flat.get("items", {}), leaf)
        return None if items is None else {"type": "array", "items": items}
    properties = flat.get("properties", {})
    name = next((n for n in MAIN_TEXTS if n in properties and types_of(properties[n]) == {"string"}), None)
    return None if name is None else {"type": "object", "properties": {name: dict(leaf)}}


def _cuts(schema: Any, path: tuple[str, ...] = ()) -> Iterator[Cut]:
    """Yield every limit that a schema sets to the length of a text."""
    flat = merged(schema)
    if "maxLength" in flat:
        yield Cut(path, int(flat["maxLength"]))
    if isinstance(flat.get("items"), dict):
        yield from _cuts(flat["items"], path)
    for name, part in flat.get("properties", {}).items():
        yield from _cuts(part, (*path, name))


def _at(target: Target) -> str:
    return "" if target.place is None or target.place.key is None else f"/properties{target.place.pointer}"
