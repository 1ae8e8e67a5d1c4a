"""Say which node is which across plan versions, whatever its position in a list."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

_NOT_READABLE = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a node the same node in the next version of a plan.

    `role` is the capability id, or the name of a virtual node (`branch`, `output`); `path` the branch labels from the
    root to the node; `ordinal` counts equals on that path from 1; `generation` is raised by a rewrite.
    """

    role: str
    input_facets: tuple[str, ...] = ()
    output_facets: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    ordinal: int = 1
    generation: int = 1

    @property
    def node_id(self) -> str:
        """A readable id made from the identity alone: `linkedinVariants~a`, `linkedinVariants~a.r2`."""
        name = _NOT_READABLE.sub("_", self.role.rsplit(".", 1)[-1])
        branch = "".join(f"~{label}" for label in self.path)
        ordinal = f"-{self.ordinal}" if self.ordinal > 1 else ""
        generation = f".r{self.generation}" if self.generation > 1 else ""
        return f"{name}{branch}{ordinal}{generation}"

    def next_generation(self) -> Identity:
        return replace(self, generation=self.generation + 1)

    def among(self, taken: Iterable[str]) -> Identity:
        """Return this identity with the first ordinal whose node id is not in `taken`."""
        used = set(taken)
        candidate = self
        while candidate.node_id in used:
            candidate = replace(candidate, ordinal=candidate.ordinal + 1)
        return candidate

    def as_json(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "inputFacets": list(self.input_facets),
            "outputFacets": list(self.output_facets),
            "path": list(self.path),
            "ordinal": self.ordinal,
            "generation": self.generation,
        }

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> Identity:
        return cls(
            role=doc["role"],
            input_facets=tuple(doc["inputFacets"]),
            output_facets=tuple(doc["outputFacets"]),
            path=tuple(doc["path"]),
            ordinal=doc["ordinal"],
            generation=doc["generation"],
        )

    @property
    def key(self) -> str:
        """A stable text of the whole identity, for the database."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))


def branch_label(index: int) -> str:
    """Return the label of the branch at `index` from 0: a to z, then aa, ab and so on."""
    label = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        label = chr(ord("a") + letter) + label
    return label


def digest(document: Any) -> str:
    """Return the first 16 hex digits of SHA-256 over the canonical JSON text of `document`."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
