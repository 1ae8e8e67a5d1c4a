"""A plan as a tree of reasons: what each node makes, why it is there, and what it was chosen over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

Branch = Mapping[str, Any]
"""One node of the explanation: {id, kind, capabilityId, why, score, makes, alternatives, children, …}."""

UNKNOWN = 0.5
"""What a part of a score is where nothing is known."""


def explanation_tree(explanation: Mapping[str, Any]) -> Tree:
    """Return the explanation as a tree to draw on a terminal."""
    tree = Tree(Text(explanation["summary"], style="bold"), guide_style="dim")
    for node in explanation["nodes"]:
        _grow(tree, node)
    return tree


def explanation_lines(explanation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the explanation as indented plain text."""
    yield explanation["summary"]
    for node in explanation["nodes"]:
        yield from _lines(node, "  ")


def _grow(tree: Tree, node: Branch) -> None:
    head = Text.assemble((node["id"], "bold"), " ", (f"[{node['kind']}]", "cyan"), " ", _who(node))
    under = tree.add(head)
    for reason in _reasons(node):
        under.add(Text(reason, style="dim"))
    for child in node["children"]:
        _grow(under, child)


def _lines(node: Branch, indent: str) -> Iterator[str]:
    yield f"{indent}{node['id']} [{node['kind']}] {_who(node)}"
    yield from (f"{indent}    {reason}" for reason in _reasons(node))
    for child in node["children"]:
        yield from _lines(child, indent + "  ")


def _who(node: Branch) -> str:
    if node["capabilityId"]:
        return str(node["capabilityId"])
    return "a person" if node["kind"] == "fallback" else "built in"


def _reasons(node: Branch) -> Iterator[str]:
    yield from node["why"]
    if len(node["waitsFor"]) > 1:
        yield f"Waits for {', '.join(node['waitsFor'])}."
    score = node["score"]
    if node["capabilityId"] and "total" in score:
        yield f"Score {score['total']}{_told(score.get('parts', {}))}."


def _told(parts: Mapping[str, float]) -> str:
    """Return the parts that say something, the best first."""
    known = sorted(((name, value) for name, value in parts.items() if value != UNKNOWN), key=lambda part: -part[1])
    return f" ({', '.join(f'{name} {value:.2g}' for name, value in known)})" if known else ""
