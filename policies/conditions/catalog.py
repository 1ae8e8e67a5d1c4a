"""What a condition may name: run signals, facets and their members, or the bare members of one schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from policies.conditions.schemas import ANY, Member, walk
from policies.conditions.suggestions import nearest
from policies.conditions.tokens import IDENTIFIER

MAX_ENTRIES = 5000

BARE_NAME = "value"
"""What a value that is no object is called by conditions about it."""

FACET_ROOT = "metadata.runContextSnapshot.facets"

ROOTS = frozenset(("metadata", "facets", "run", "node"))
"""The first words of all names that are not bare."""

NODE_KINDS = ("structuring", "branch", "routing", "execution", "transformation", "validation", "fallback")

SIGNALS: tuple[tuple[str, str, str], ...] = (
    ("run.latencyMs", "number", "milliseconds since the run began"),
    ("run.cost", "number", "cost of the run so far"),
    ("run.tokens", "number", "tokens used by the run so far"),
    ("run.attempts", "number", "node attempts made in the run so far"),
    ("run.replans", "number", "replans of the run so far"),
    ("run.revisionCount", "number", "rewrites and revisions of the run so far"),
    ("run.requiresHitl", "boolean", "whether the run still needs a person's approval"),
    ("node.kind", "string", "kind of the node that the condition is about"),
    ("node.capabilityId", "string", "capability of the node"),
    ("node.durationMs", "number", "milliseconds the node took"),
    ("node.cost", "number", "cost of the node"),
    ("node.attempt", "number", "attempt of the node, counted from 1"),
)

OPERATORS: dict[str, tuple[str, ...]] = {
    "number": ("==", "!=", "<", "<=", ">", ">=", "in", "between"),
    "string": ("==", "!=", "in", "contains", "length"),
    "boolean": ("==", "!=", "in"),
    "array": ("==", "!=", "length"),
    "object": ("==", "!="),
    ANY: ("==", "!=", "<", "<=", ">", ">=", "in", "between", "contains", "length"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One name: `path` is where its value lies in the payload, `dsl_path` how it is written, `aliases` how else."""

    path: str
    dsl_path: str
    type: str
    group: str
    enum: tuple[Any, ...] | None = None
    aliases: tuple[str, ...] = ()
    description: str | None = None
    in_list: bool = False

    @property
    def operators(self) -> tuple[str, ...]:
        return OPERATORS[self.type]

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self.path,
            "path": self.path,
            "dslPath": self.dsl_path,
            "aliases": list(self.aliases),
            "label": self.dsl_path,
            "group": self.group,
            "type": self.type,
            "allowedOperators": list(self.operators),
        }
        if self.enum is not None:
            body["enum"] = list(self.enum)
        return body if self.description is None else {**body, "description": self.description}


class Catalog:
    """An immutable set of entries, found by path, by written name or by alias.

    An open catalogue answers unknown names with an entry of type `any` at the path as written: it stands for a schema
    that does not say which members a value has. Names that begin with one of its `roots` are checked all the same.
    """

    def __init__(self, entries: Iterable[Entry], *, is_open: bool = False, roots: frozenset[str] = frozenset()) -> None:
        self.entries = tuple(entries)
        self.is_open = is_open
        self.roots = roots
        self._names: dict[str, Entry] = {}
        for entry in self.entries:
            for name in (entry.dsl_path, entry.path, *entry.aliases):
                self._names.setdefault(name, entry)

    @classmethod
    def for_schema(cls, schema: Any, *, name: str = BARE_NAME) -> Catalog:
        """Return the catalogue of bare names inside one facet.

        The members of an object are named as they are; any other value is one variable called `name`. A schema that
        says nothing about its members leaves every name free.
        """
        return _for_schema(json.dumps(schema, sort_keys=True), name)

    def with_schema(self, schema: Any, *, name: str = BARE_NAME) -> Catalog:
        """Return a catalogue in which the bare names of one schema come before the names of this one."""
        return _combine(Catalog.for_schema(schema, name=name), self)

    def lookup(self, name: str) -> Entry | None:
        """Return the entry of a path, a written name or an alias, exactly spelt; None when there is none."""
        found = self._names.get(name)
        if found is None and self.is_open and name.partition(".")[0] not in self.roots:
            return Entry(name, name, ANY, "open")
        return found

    def suggest(self, name: str) -> str | None:
        """Return the nearest written name."""
        return nearest(name, (entry.dsl_path for entry in self.entries))

    def as_json(self) -> list[dict[str, Any]]:
        return [entry.as_json() for entry in self.entries]


def build_catalog(facet_schemas: Mapping[str, Any]) -> Catalog:
    """Return the default catalogue: the run signals and, for each facet, itself and every member its schema names."""
    return _build_catalog(json.dumps(facet_schemas, sort_keys=True))


@lru_cache(maxsize=16)
def _build_catalog(text: str) -> Catalog:
    """Equal schemas give one catalogue, and so one entry for each text in the cache of conditions."""
    found = [*signal_entries()]
    for facet, schema in json.loads(text).items():
        found.extend(facet_entries(facet, schema))
    return Catalog(islice(found, MAX_ENTRIES))


def signal_entries() -> Iterable[Entry]:
    for path, kind, description in SIGNALS:
        yield Entry(path, path, kind, "run", NODE_KINDS if path == "node.kind" else None, (), description)


def facet_entries(facet: str, schema: Any) -> Iterable[Entry]:
    for member in walk(schema):
        rest = "".join(f".{segment}" for segment in member.segments)
        written = f"facets.{facet}{rest}"
        if IDENTIFIER.fullmatch(written):
            yield Entry(
                f"{FACET_ROOT}.{facet}.value{rest}",
                written,
                member.type,
                facet,
                member.enum,
                (f"facets.{facet}.value{rest}",),
                member.schema.get("description"),
                member.in_list,
            )


@lru_cache(maxsize=128)
def _for_schema(text: str, name: str) -> Catalog:
    schema = json.loads(text)
    members = list(islice(walk(schema), MAX_ENTRIES))
    root, inner = members[0], members[1:]
    if root.type == ANY and not inner:
        return Catalog((), is_open=True)
    if root.type in {"object", ANY}:
        return Catalog(bare_entries(inner), is_open=root.type == "object" and not inner)
    return Catalog(bare_entries(islice(walk(schema, (name,)), MAX_ENTRIES)))


def bare_entries(members: Iterable[Member]) -> Iterator[Entry]:
    for member in members:
        path = ".".join(member.segments)
        if IDENTIFIER.fullmatch(path):
            yield Entry(path, path, member.type, "bare", member.enum, in_list=member.in_list)


@lru_cache(maxsize=128)
def _combine(first: Catalog, second: Catalog) -> Catalog:
    roots = frozenset() if second.is_open else ROOTS
    return Catalog((*first.entries, *second.entries), is_open=first.is_open or second.is_open, roots=roots)


UNCHECKED = Catalog(signal_entries(), is_open=True)
"""Knows the run signals and lets every other name pass as it is written."""
