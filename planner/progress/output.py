"""Compose what a run returns: lift facet values into the caller's shape, and say which node gave which part.

A `transformation` node carries its expressions in the plan: `{"engine": "jmespath", "properties": {name: expression}}`
for an object, or `{"expression": …}` for a root of another kind. Besides the standard functions they may use
`pick(object, names)`, which keeps the named members that are there and leaves anything but an object as it is, and
`shorten(value, path, length)`, which cuts the texts at a path of member names; lists are gone through on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

from planner.errors import PlannerError
from planner.plan.graph import Node, PlanGraph
from planner.progress.bundle import in_branch_order, visible_values

Outputs = Mapping[str, Mapping[str, Any]]


class TransformError(PlannerError):
    """The expressions of a transformation do not fit the values that they got."""

    code = "transform_failed"


class _Functions(Functions):
    @signature({"types": []}, {"types": ["array"]})
    def _func_pick(self, value: Any, names: list[str]) -> Any:
        return {name: value[name] for name in names if name in value} if isinstance(value, dict) else value

    @signature({"types": []}, {"types": ["array"]}, {"types": ["number"]})
    def _func_shorten(self, value: Any, path: list[str], longest: int) -> Any:
        return _shortened(value, path, longest)


def _shortened(value: Any, path: Sequence[str], longest: int) -> Any:
    """Return the value with the texts at `path` cut to `longest` characters, at a word's end where there is one."""
    if isinstance(value, list):
        return [_shortened(item, path, longest) for item in value]
    if path:
        name = path[0]
        return {**value, name: _shortened(value[name], path[1:], longest)} if _has(value, name) else value
    if not isinstance(value, str) or len(value) <= longest:
        return value
    kept = value[:longest]
    return (kept if value[longest].isspace() else _whole_words(kept)).rstrip()


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in value


def _whole_words(text: str) -> str:
    words = text.rsplit(maxsplit=1)
    # Half of the text is too much to give up for one word.
    return words[0] if len(words) == 2 and len(words[0]) >= len(text) // 2 else text


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def apply_transform(transform: Mapping[str, Any], bundle_values: Mapping[str, Any]) -> Any:
    """Return the document that the transformation makes of {facet: value}.

    A facet that came from several branches is a list of {branch, value}. With `omitNull` a property whose expression
    finds nothing is left out, unless its provenance calls it required. Raises TransformError.
    """
    try:
        if "expression" in transform:
            return _evaluate(transform["expression"], bundle_values)
        made = {name: _evaluate(text, bundle_values) for name, text in transform["properties"].items()}
    except JMESPathError as error:
        raise TransformError(f"the transformation fails on what it got: {error}") from error
    needed = {source["key"] for source in transform.get("provenance", {}).values() if source.get("required")}
    omit = transform.get("omitNull", False)
    return {name: value for name, value in made.items() if value is not None or not omit or name in needed}


def compute_virtual(plan: PlanGraph, node_id: str, given: Mapping[str, Any], outputs: Outputs) -> dict[str, Any]:
    """Return the output of a node that the run loop computes: {facet: value}, or {"output": document} at the end.

    A branch node makes nothing. Raises TransformError.
    """
    node = plan.node(node_id)
    if node.transform is None:
        return {}
    made = apply_transform(node.transform, visible_values(plan, node_id, given, outputs))
    return made if node.output_facets else {"output": made}


def compose_output(plan: PlanGraph, outputs: Outputs, given: Mapping[str, Any] | None = None) -> Any:
    """Return the run's result from the outputs {node id: {facet: value}} and what the envelope gave.

    A transformation makes it where the plan has one; else it is {facet: value} for a contract of facets, and the one
    facet's value for a freeform contract. A facet that nobody produced is absent. Raises TransformError.
    """
    how = plan.metadata["output"]
    available = given or {}
    if node := _output_node(plan):
        return compute_virtual(plan, node.id, available, outputs)["output"]
    values = {facet: value for facet in how["facets"] for value in _final_values(plan, facet, outputs, available)}
    return values if how["mode"] != "freeform" else next(iter(values.values()), None)


def blame(plan: PlanGraph, pointer: str, outputs: Outputs) -> str | None:
    """Return the id of the node that produced the part of the result at `pointer`, None if the envelope gave it.

    Only those that have made something count: a way that was not taken is to blame for nothing.
    """
    done = [node_id for node_id in plan.order if node_id in outputs]
    node = _output_node(plan)
    segments = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if node is None or node.transform is None:
        facets: Sequence[str] = plan.metadata["output"]["facets"]
        at_root = plan.metadata["output"]["mode"] == "freeform" or not segments
        facet = (facets or [""])[0] if at_root else segments[0]
        return next(iter(_makers(plan, facet, done)), None)
    for source in node.transform["provenance"].values():
        path = segments[1:] if source["key"] is not None else segments
        if source["key"] is None or not segments or segments[0] == source["key"]:
            before = set(plan.ancestors(node.id))
            return _maker_of_item(_makers(plan, source["facet"], [n for n in done if n in before]), source, path)
    return None


def _evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    return jmespath.search(expression, dict(values), options=_OPTIONS)


def _output_node(plan: PlanGraph) -> Node | None:
    node_id = plan.metadata["output"].get("nodeId")
    return None if node_id is None else plan.node(node_id)


def _final_values(plan: PlanGraph, facet: str, outputs: Outputs, given: Mapping[str, Any]) -> list[Any]:
    for node_id in reversed(plan.order):
        if facet in outputs.get(node_id, {}):
            return [outputs[node_id][facet]]
    return [given[facet]] if facet in given else []


def _makers(plan: PlanGraph, facet: str, among: Sequence[str]) -> list[str]:
    """Return the nodes whose value of the facet is seen at the end: one, or one per branch in the branches' order."""
    makers = [i for i in plan.order if i in set(among) and facet in plan.node(i).output_facets]
    makers = [node_id for node_id in makers if not plan.node(node_id).virtual]
    hidden = {earlier for node_id in makers for earlier in plan.ancestors(node_id)}
    return in_branch_order(plan, (node_id for node_id in makers if node_id not in hidden))


def _maker_of_item(makers: list[str], source: Mapping[str, Any], path: list[str]) -> str | None:
    """Return who made the list item that the path leads to; without an index the first of the makers."""
    if not makers:
        return None
    if len(makers) > 1 and path and path[0].isdigit():
        ends = accumulate(source.get("items") or [1] * len(makers))
        return next((m for m, end in zip(makers, ends, strict=False) if int(path[0]) < end), makers[-1])
    return makers[0]
