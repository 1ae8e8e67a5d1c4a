"""Raw `policies` of an envelope to checked policies: new forms, plain forms and old flat keys, all problems at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from policies.actions import check_action
from policies.clauses import Vocabulary
from policies.errors import Problem
from policies.legacy import MAX_VARIANTS, Converted, convert_legacy
from policies.plain import check_plain
from policies.policy import PlannerPolicy, Policies, RuntimePolicy
from policies.selectors import NODE_KINDS, Selector, check_selector
from policies.shape import ObjectReader
from policies.triggers import check_trigger

OBJECTIVES = ("speed", "quality", "diversity", "token_efficiency")


def check_policies(raw: Any, *, vocabulary: Vocabulary, at: str = "/policies") -> tuple[Policies | None, list[Problem]]:
    """Return the policies that a JSON value describes, and everything that is wrong with it.

    `at` is where the value stands. The policies are None when the value is no object; with problems they hold what
    could be read.
    """
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None, problems
    planner = _check_planner(reader.child("planner"))
    runtime = _check_runtime(reader, vocabulary)
    plain = check_plain(reader, facets=vocabulary.schemas)
    converted = convert_legacy(reader)
    reader.close()
    return _merge(planner, runtime, plain, converted), problems


def _merge(planner: PlannerPolicy, runtime: list[RuntimePolicy], plain: dict[str, Any], old: Converted) -> Policies:
    """Join what the old keys say to the rest; what the new keys say wins."""
    notes = list(old.notes)
    if None not in (planner.variant_count, old.variant_count) and planner.variant_count != old.variant_count:
        notes.append("policies.variantCount was left aside: policies.planner.topology.variantCount says otherwise")
    merged = replace(
        planner,
        variant_count=planner.variant_count if planner.variant_count is not None else old.variant_count,
        directives={**old.directives, **planner.directives},
    )
    return Policies(merged, (*runtime, *old.runtime), plain, tuple(notes), tuple(old.fields))


def _check_planner(reader: ObjectReader | None) -> PlannerPolicy:
    if reader is None:
        return PlannerPolicy()
    topology, selection = reader.child("topology"), reader.child("selection")
    optimisation = reader.child("optimisation")
    directives = reader.child("directives")
    if directives is not None:
        directives.flag("requiresHitlApproval", default=False)
    reader.close()
    return PlannerPolicy(
        **_check_topology(topology),
        **_check_selection(selection),
        **_check_optimisation(optimisation),
        directives={} if directives is None else directives.raw,
    )


def _check_topology(reader: ObjectReader | None) -> dict[str, Any]:
    if reader is None:
        return {}
    wanted = reader.texts("requiredKinds", choices=NODE_KINDS)
    refused = reader.texts("forbiddenKinds", choices=NODE_KINDS)
    _refuse_overlap(reader, "requiredKinds", "forbiddenKinds", wanted, refused)
    found = {
        "variant_count": reader.integer("variantCount", 1, MAX_VARIANTS),
        "max_depth": reader.integer("maxDepth", 1),
        "required_kinds": wanted,
        "forbidden_kinds": refused,
    }
    reader.close()
    return found


def _check_selection(reader: ObjectReader | None) -> dict[str, Any]:
    if reader is None:
        return {}
    found = {name: reader.texts(name) for name in ("require", "forbid", "prefer", "avoid")}
    reader.close()
    _refuse_overlap(reader, "require", "forbid", found["require"], found["forbid"])
    return found


def _refuse_overlap(
    reader: ObjectReader, left: str, right: str, wanted: tuple[str, ...] | None, refused: tuple[str, ...] | None
) -> None:
    for name in wanted or ():
        if name in (refused or ()):
            reader.report(right, f"`{name}` stands in `{left}` too; take it out of one of them", "contradiction")


def _check_optimisation(reader: ObjectReader | None) -> dict[str, Any]:
    if reader is None:
        return {}
    found = {"objective": reader.choice("objective", OBJECTIVES), "max_tokens": reader.integer("maxTokens", 1)}
    reader.close()
    return found


def _check_runtime(reader: ObjectReader, vocabulary: Vocabulary) -> list[RuntimePolicy]:
    policies: list[RuntimePolicy] = []
    taken: set[str] = set()
    for item, at in reader.items("runtime"):
        rule = ObjectReader.of(item, at, reader.problems)
        if rule is None:
            continue
        policy = _check_rule(rule, vocabulary)
        identifier = item.get("id")
        if isinstance(identifier, str) and identifier in taken:
            rule.report("id", f"another policy is called `{identifier}`; each needs a name of its own", "duplicate")
        elif isinstance(identifier, str):
            taken.add(identifier)
        if policy is not None:
            policies.append(policy)
    return policies


def _check_rule(rule: ObjectReader, vocabulary: Vocabulary) -> RuntimePolicy | None:
    identifier, enabled = rule.text("id", required=True), rule.flag("enabled", default=True)
    trigger = action = None
    if rule.require("trigger", "when the policy fires, as {kind, ...}"):
        place = rule.place("trigger")
        trigger = check_trigger(rule.raw["trigger"], place, vocabulary=vocabulary, problems=rule.problems)
    if rule.require("action", "what the policy does, as {type, ...}"):
        action = check_action(rule.raw["action"], rule.place("action"), problems=rule.problems)
    exceptions = [
        check_selector(item, at, facets=vocabulary.schemas, problems=rule.problems) for item, at in rule.items("except")
    ]
    rule.close()
    if identifier is None or trigger is None or action is None:
        return None
    spared = tuple(selector for selector in exceptions if isinstance(selector, Selector))
    return RuntimePolicy(identifier, enabled, trigger, action, spared, source=rule.at)
