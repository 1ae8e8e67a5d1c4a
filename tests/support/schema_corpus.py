"""Pairs of schemas as projects have them: what one version of a schema became in the next, each way round."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.contracts.facets import load_catalogue
from tests.support.corpus_evolutions import EVOLUTIONS, GONE, Edits
from tests.support.corpus_schemas import SCHEMAS


@dataclass(frozen=True, slots=True)
class Pair:
    """Two schemas of which is asked whether every value of the first satisfies the second."""

    name: str
    ours: Any
    theirs: Any
    expected: str | None


def pairs() -> Iterator[Pair]:
    """Yield every change both ways round, then what facets of the catalogue have to do with each other."""
    for base, title, edits, forward, backward in EVOLUTIONS:
        old, new = SCHEMAS[base], edited(SCHEMAS[base], edits)
        yield Pair(f"{base}: {title}", old, new, forward)
        yield Pair(f"{base}: {title}, back", new, old, backward)
    yield from _facet_pairs()


def edited(schema: dict[str, Any], edits: Edits) -> dict[str, Any]:
    """Return a copy of the schema with values set at pointers; `-` appends, GONE removes, `COPY …` takes another's."""
    made = copy.deepcopy(schema)
    for where, wanted in edits.items():
        path = [segment.replace("~1", "/").replace("~0", "~") for segment in where.split("/")[1:]]
        value = at(made, wanted[5:].split("/")[1:]) if isinstance(wanted, str) and wanted[:5] == "COPY " else wanted
        holder = at(made, path[:-1])
        if path[-1] == "-":
            holder.append(copy.deepcopy(value))
        elif value is GONE:
            del holder[path[-1]]
        else:
            holder[int(path[-1]) if isinstance(holder, list) else path[-1]] = copy.deepcopy(value)
    return made


def at(schema: Any, path: list[str]) -> Any:
    for segment in path:
        schema = schema[int(segment)] if isinstance(schema, list) else schema[segment]
    return schema


def _facet_pairs() -> Iterator[Pair]:
    """Yield each facet of the catalogue against itself held to more, and against a plain form of its type."""
    catalogue = load_catalogue()
    for name in list(catalogue)[:20]:
        schema = catalogue[name].schema
        kind = schema.get("type")
        if kind == "array":
            yield Pair(f"facet {name}: three at most", {**schema, "maxItems": 3}, schema, "proved")
            yield Pair(f"facet {name}: as any list", schema, {"type": "array"}, "proved")
        elif kind == "object":
            told = {**schema, "required": sorted(schema.get("properties", {}))}
            yield Pair(f"facet {name}: everything told", told, schema, "proved")
            yield Pair(f"facet {name}: as any object", schema, {"type": "object"}, "proved")
        else:
            yield Pair(f"facet {name}: as itself", schema, schema, "proved")
