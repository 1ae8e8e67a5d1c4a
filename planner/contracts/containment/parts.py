"""The schemas that a question is about, each with a number that is equal where their meaning is equal.

A part is a schema inside a document, whose references count from its root and whose draft tells which keywords assert
something. Part 1 is the schema that allows everything; a negative number means “does not satisfy the part”.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from planner.contracts.containment.answers import TRUE
from planner.contracts.containment.claims import KINDS
from planner.contracts.schema_lint import DEFAULT_DRAFT, draft_of
from planner.contracts.schema_walk import is_schema, subschemas
from policies import strict_json

_EVERYWHERE = (
    *("$ref", "additionalProperties", "allOf", "anyOf", "const", "contains", "enum", "exclusiveMaximum"),
    *("exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems"),
    *("minLength", "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties"),
    *("properties", "propertyNames", "required", "type", "uniqueItems"),
)
_CONDITION = ("if", "then", "else")
_SINCE_2019 = ("dependentRequired", "dependentSchemas", "minContains", "maxContains", "unevaluatedItems")
_ASSERTING: Mapping[str, frozenset[str]] = {
    "draft-06": frozenset((*_EVERYWHERE, "additionalItems", "dependencies")),
    "draft-07": frozenset((*_EVERYWHERE, *_CONDITION, "additionalItems", "dependencies")),
    "2019-09": frozenset((*_EVERYWHERE, *_CONDITION, *_SINCE_2019, "unevaluatedProperties", "additionalItems")),
    "2020-12": frozenset((*_EVERYWHERE, *_CONDITION, *_SINCE_2019, "unevaluatedProperties", "prefixItems")),
}


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A whole schema, against which references are resolved."""

    root: Any
    draft: str = DEFAULT_DRAFT

    @property
    def lists_items(self) -> bool:
        """Whether a list of schemas stands under `items` and not under `prefixItems`."""
        return self.draft != DEFAULT_DRAFT

    @property
    def ignores_siblings(self) -> bool:
        """Whether keywords beside `$ref` mean nothing."""
        return self.draft in {"draft-06", "draft-07"}

    def resolve(self, reference: str) -> Any:
        """Return the schema that the local reference points at; raise LookupError when there is none."""
        fragment = unquote(reference.removeprefix("#"))
        if fragment and not fragment.startswith("/"):
            return self._anchored()[fragment]
        here = self.root
        for segment in fragment.split("/")[1:]:
            key = segment.replace("~1", "/").replace("~0", "~")
            here = here[int(key)] if isinstance(here, list) else here[key]
        if not is_schema(here):
            raise LookupError(reference)
        return here

    def _anchored(self) -> dict[str, Any]:
        schemas = [schema for _, schema in subschemas(self.root) if isinstance(schema, dict)]
        return {schema["$anchor"]: schema for schema in schemas if "$anchor" in schema}


@dataclass(frozen=True, slots=True)
class Part:
    """The asserting keywords of a schema, its number, and the kinds of values that it may allow."""

    schema: Mapping[str, Any]
    document: Document
    number: int
    kinds: frozenset[str]


def document_of(schema: Any) -> Document:
    return Document(schema, draft_of(schema) or DEFAULT_DRAFT)


_OWN = Document({})


@dataclass(slots=True)
class Parts:
    """All parts that one question has come across."""

    _parts: dict[int, Part] = field(default_factory=dict)
    _numbers: dict[tuple[str, int, str], int] = field(default_factory=dict)
    _seen: dict[int, tuple[int, Any]] = field(default_factory=dict)
    _documents: dict[str, Document] = field(default_factory=dict)

    def __getitem__(self, number: int) -> Part:
        return self._parts[number]

    def add(self, schema: Any) -> int:
        """Return the number of a schema that is a document of its own; equal documents are one."""
        text = strict_json.dumps(schema)
        document = self._documents.setdefault(text, document_of(schema))
        return self.number(document.root, document)

    def constant(self, value: Any) -> int:
        """Return the number of the schema that allows this one value."""
        return self.own({"const": value})

    def own(self, schema: dict[str, Any]) -> int:
        """Return the number of a schema that stands in no document of the caller's."""
        return self.number(schema, _OWN)

    def number(self, schema: Any, document: Document) -> int:
        """Return the number of a part of the document."""
        if isinstance(schema, bool):
            return TRUE if schema else -TRUE
        if id(schema) in self._seen:
            return self._seen[id(schema)][0]
        number = self._register(schema, document)
        # Holding the schema keeps its id from being given to another one.
        self._seen[id(schema)] = number, schema
        return number

    def _register(self, schema: dict[str, Any], document: Document) -> int:
        asserting = _ASSERTING[document.draft]
        said = {keyword: value for keyword, value in schema.items() if keyword in asserting}
        if "$ref" in said and document.ignores_siblings:
            said = {"$ref": said["$ref"]}
        if not said:
            return TRUE
        text = strict_json.dumps(said)
        key = (document.draft, id(document) if '"$ref"' in text else 0, text)
        number = self._numbers.setdefault(key, len(self._numbers) + TRUE + 1)
        if number not in self._parts:
            self._parts[number] = Part(said, document, number, _kinds(said))
        return number


def _kinds(said: Mapping[str, Any]) -> frozenset[str]:
    named = said.get("type")
    if named is None:
        return _ALL_KINDS
    return frozenset(map(_kind_of_type, (named,) if isinstance(named, str) else named))


def _kind_of_type(name: str) -> str:
    """Return the kind of a JSON type: integers are numbers."""
    return "number" if name == "integer" else name


_ALL_KINDS = frozenset(KINDS)
