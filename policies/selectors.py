"""Which nodes of a plan a policy speaks of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from policies.errors import Problem
from policies.shape import ObjectReader, shown

NODE_KINDS = ("structuring", "branch", "routing", "execution", "transformation", "validation", "fallback")
AGENT_TYPES = ("ai", "human")
RELATIONS = ("previous", "next")


@dataclass(frozen=True, slots=True)
class Selector:
    """All given parts must match; a selector without parts matches every node.

    With a `relation` the other parts describe a neighbour: `{capabilityId: X, relation: next}` means the nodes that
    follow X.
    """

    node_id: str | None = None
    kind: str | None = None
    capability_id: str | None = None
    tag: str | None = None
    facet: str | None = None
    agent_type: str | None = None
    relation: str | None = None

    def as_json(self) -> dict[str, str]:
        parts = {
            "nodeId": self.node_id,
            "kind": self.kind,
            "capabilityId": self.capability_id,
            "tag": self.tag,
            "facet": self.facet,
            "agentType": self.agent_type,
            "relation": self.relation,
        }
        return {name: value for name, value in parts.items() if value is not None}


def check_selector(raw: Any, at: str, *, facets: Collection[str], problems: list[Problem]) -> Selector | None:
    """Return the selector that a JSON value describes; what is wrong is added to `problems`.

    `facets` are the names that the catalogue knows.
    """
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None
    selector = Selector(
        node_id=reader.text("nodeId"),
        kind=reader.choice("kind", NODE_KINDS),
        capability_id=reader.text("capabilityId"),
        tag=reader.text("tag"),
        facet=reader.text("facet"),
        agent_type=reader.choice("agentType", AGENT_TYPES),
        relation=reader.choice("relation", RELATIONS),
    )
    reader.close()
    if selector.facet is not None and selector.facet not in facets:
        unknown = f"no facet is called {shown(selector.facet)}.{reader.hint(selector.facet, facets)}"
        reader.report("facet", unknown, "unknown_facet")
    if "relation" in reader.raw and len(reader.raw) == 1:
        reader.report("relation", "needs a further part that says whose neighbour is meant, such as `capabilityId`")
    return selector
