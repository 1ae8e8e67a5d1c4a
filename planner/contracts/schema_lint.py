"""Is it a schema, and one that can be checked in bounded time? Everything wrong is reported at its pointer.

Three looks, each of which may trust the one before: the raw value (depth, size), every subschema by itself (shape of
each keyword, patterns, references), then the graph that references make of them (cycles, and how large it unfolds).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import regex

from planner.contracts.keyword_rules import RULES
from planner.contracts.schema_walk import IN_PLACE, children, is_schema
from policies.errors import Problem, pointer

DEFAULT_DRAFT = "2020-12"
DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "http://json-schema.org/draft-07/schema": "draft-07",
    "http://json-schema.org/draft-06/schema": "draft-06",
}
MAX_DEPTH = 32
MAX_RAW_DEPTH = 100
MAX_VALUES = 20_000
MAX_COST = 20_000
MAX_PATTERN = 1_000
MAX_LINKS = 100
MAX_PROBLEMS = 100


def lint(schema: Any) -> list[Problem]:
    """Return what keeps `schema` from being used, with pointers into it; an empty list when it can be used."""
    if problem := _measure(schema):
        return [problem]
    if not is_schema(schema):
        return [Problem("", "must be a JSON Schema: an object, true or false")]
    survey = _Survey(schema)
    problems = list(survey.run())
    if not problems:
        problems = list(_check_graph(survey.links))
    return problems[:MAX_PROBLEMS]


def draft_of(schema: Any) -> str | None:
    """Return the draft that `$schema` names, the default without one, None when it is unknown."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return DEFAULT_DRAFT
    return DRAFTS.get(named.removesuffix("#")) if isinstance(named, str) else None


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> regex.Pattern[str]:
    """Return the compiled pattern; raise regex.error, or ValueError when it is too long or too deep."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"a pattern may have {MAX_PATTERN} characters, this one has {len(text)}")
    try:
        return regex.compile(text)
    except (RecursionError, OverflowError, MemoryError) as error:
        raise ValueError("the pattern is nested too deeply") from error


def _measure(schema: Any) -> Problem | None:
    """Find out without recursion whether the value is small enough to be looked at."""
    stack = [(schema, 1)]
    values = 0
    while stack:
        value, depth = stack.pop()
        values += 1
        if depth > MAX_RAW_DEPTH:
            return Problem("", f"nested deeper than {MAX_DEPTH} schemas: flatten it with $defs", "schema_too_deep")
        if values > MAX_VALUES:
            return Problem("", f"holds more than {MAX_VALUES} values: make the schema smaller", "schema_too_large")
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        stack.extend((member, depth + 1) for member in members)
    return None


@dataclass(slots=True)
class _Survey:
    """One visit to every subschema, also to those that only a reference reaches."""

    document: Any
    draft: str = DEFAULT_DRAFT
    links: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    anchors: dict[str, str] = field(default_factory=dict)
    references: list[tuple[str, str]] = field(default_factory=list)
    unevaluated: list[str] = field(default_factory=list)
    name_patterns: bool = False

    def run(self) -> Iterator[Problem]:
        self.draft = draft_of(self.document) or DEFAULT_DRAFT
        if draft_of(self.document) is None:
            yield Problem("/$schema", f"unknown draft; known: {', '.join(DRAFTS)}", "unknown_draft")
        yield from self._visit("", self.document)
        yield from self._follow()
        if self.name_patterns:
            # The library matches these names without a time limit.
            for place in self.unevaluated:
                message = "cannot stand in one document with patternProperties: use additionalProperties"
                yield Problem(place + "/unevaluatedProperties", message)

    def _visit(self, root_place: str, root: Any) -> Iterator[Problem]:
        stack = [(root_place, root, 1)]
        while stack:
            place, schema, depth = stack.pop()
            if place in self.links:
                continue
            self.links[place] = []
            if depth > MAX_DEPTH:
                yield Problem(
                    place, f"nested deeper than {MAX_DEPTH} schemas: flatten it with $defs", "schema_too_deep"
                )
                continue
            if isinstance(schema, dict):
                yield from self._look(place, schema)
            for child in children(schema):
                self.links[place].append((place + child.place, child.keyword in IN_PLACE))
                stack.append((place + child.place, child.schema, depth + 1))

    def _look(self, place: str, schema: dict[str, Any]) -> Iterator[Problem]:
        for keyword, value in schema.items():
            rule = RULES.get(keyword)
            if rule and (message := rule(value, self.draft)):
                yield Problem(place + pointer(keyword), message)
        if isinstance(anchor := schema.get("$anchor"), str):
            self.anchors[anchor] = place
        if isinstance(reference := schema.get("$ref"), str):
            self.references.append((place, reference))
        yield from _check_patterns(place, schema)
        self.name_patterns |= "patternProperties" in schema
        if "unevaluatedProperties" in schema:
            self.unevaluated.append(place)
        if place:
            for keyword in ("$id", "$schema"):
                if keyword in schema:
                    yield Problem(place + pointer(keyword), f"{keyword} may stand at the root only: remove it")

    def _follow(self) -> Iterator[Problem]:
        """Resolve the references; what they reach outside the known places is a schema too and is visited."""
        while self.references:
            place, reference = self.references.pop(0)
            at = place + "/$ref"
            if not reference.startswith("#"):
                yield Problem(
                    at, "only references inside this document (#/…) are followed: copy it to $defs", "remote_ref"
                )
                continue
            target = self._resolve(unquote(reference[1:]))
            if target is None:
                yield Problem(at, f"“{reference[:80]}” points at no schema in this document")
                continue
            target_place, schema = target
            self.links[place].append((target_place, True))
            yield from self._visit(target_place, schema)

    def _resolve(self, fragment: str) -> tuple[str, Any] | None:
        if fragment and not fragment.startswith("/"):
            place = self.anchors.get(fragment)
            return None if place is None else self._resolve(place)
        here = self.document
        for segment in fragment.split("/")[1:]:
            key = segment.replace("~1", "/").replace("~0", "~")
            if isinstance(here, dict) and key in here:
                here = here[key]
            elif isinstance(here, list) and key.isascii() and key.isdigit() and int(key) < len(here):
                here = here[int(key)]
            else:
                return None
        return (fragment, here) if is_schema(here) else None


def _check_patterns(place: str, schema: dict[str, Any]) -> Iterator[Problem]:
    held = schema.get("patternProperties")
    patterns = [(pointer("patternProperties", text), text) for text in held] if isinstance(held, dict) else []
    if isinstance(text := schema.get("pattern"), str):
        patterns.append(("/pattern", text))
    for at, text in patterns:
        try:
            compile_pattern(text)
        except (regex.error, ValueError) as error:
            yield Problem(place + at, f"not a regular expression: {error}", "bad_pattern")


def _check_graph(links: dict[str, list[tuple[str, bool]]]) -> Iterator[Problem]:
    """Refuse what would not end (a schema that is itself before it looks into the value) or unfolds too far."""
    loop = _find_loop(links)
    if loop is not None:
        yield Problem(loop, "refers back to itself without looking into the value: remove the $ref", "endless_ref")
        return
    cost, depth = _unfold("", links, {}, ())
    if depth > MAX_LINKS:
        yield Problem("", f"unfolds deeper than {MAX_LINKS} schemas: shorten the chains of $ref", "schema_too_deep")
    elif cost > MAX_COST:
        yield Problem(
            "", f"unfolds to more than {MAX_COST} schemas: refer to shared parts less often", "schema_too_large"
        )


def _find_loop(links: dict[str, list[tuple[str, bool]]]) -> str | None:
    """Return a place that reaches itself over in-place links only: what remains when all that ends is taken away."""
    open_links = {place: {target for target, in_place in found if in_place} for place, found in links.items()}
    users: dict[str, list[str]] = {}
    for place, targets in open_links.items():
        for target in targets:
            users.setdefault(target, []).append(place)
    ended = [place for place, targets in open_links.items() if not targets]
    while ended:
        place = ended.pop()
        del open_links[place]
        for user in users.get(place, ()):
            open_links[user].discard(place)
            if not open_links[user]:
                ended.append(user)
    return next(iter(open_links), None)


def _unfold(
    place: str, links: dict[str, list[tuple[str, bool]]], done: dict[str, tuple[int, int]], above: tuple[str, ...]
) -> tuple[int, int]:
    """Return (number of schemas, depth) when every reference is written out once; recursion counts as one schema."""
    if place in done:
        return done[place]
    if place in above:
        return 1, 1
    if len(above) > MAX_LINKS:
        return 1, MAX_LINKS + 1
    cost, depth = 1, 1
    for target, _ in links.get(place, ()):
        more, below = _unfold(target, links, done, (*above, place))
        cost, depth = min(cost + more, MAX_COST + 1), max(depth, below + 1)
    done[place] = (cost, depth)
    return done[place]
