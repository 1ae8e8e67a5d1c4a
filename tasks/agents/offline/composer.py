"""From a schema to a value: walks the schema, asks the vocabulary for the words, and checks the whole at the end.

What a schema demands is not always told at one place (`not`, `oneOf`, `if`), so composing is guess and check: every
choice point takes the next option from the number of the guess, and the first value that the validator accepts is
returned. A schema without such points is right at the first guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from planner.contracts.conjunction import UnsatisfiableError, conjoin
from planner.contracts.json_schema import validator_for
from tasks.agents.offline.patterns import matches, write_for
from tasks.agents.offline.place import Place
from tasks.agents.offline.story import Story
from tasks.agents.offline.values import choose, write_flag, write_number, write_text
from tasks.agents.offline.vocabulary import is_known, list_length

MAX_GUESSES = 48
_MAX_DEPTH = 24
# No bound of a schema makes the value larger than this many list items altogether; it is then honestly invalid.
_MAX_ITEMS = 5000
_SHALLOW = 6
_FACTUAL_FORMATS = {"uri", "iri", "email", "date", "date-time", "hostname", "uri-reference"}
_CONSTRAINT_TYPES = (
    (("properties", "required", "additionalProperties", "minProperties", "patternProperties"), "object"),
    (("items", "prefixItems", "minItems", "uniqueItems", "contains"), "array"),
    (("pattern", "minLength", "maxLength", "format"), "string"),
    (("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
)
_MAP_KEYS = {
    "scores": ("clarity", "relevance", "brandFit", "readability"),
    "thresholds": ("clarity", "relevance", "brandFit"),
}


def compose(schema: Mapping[str, Any], story: Story) -> Any:
    """Return a value for the schema, the same for the same story; when no guess is valid, the first one."""
    validator = validator_for(dict(schema))
    first: Any = None
    for guess in range(MAX_GUESSES):
        composer = _Composer(schema, story, guess)
        value = composer.value(schema, Place(), story)
        if validator.is_valid(value):
            return value
        first = value if guess == 0 else first
        if composer.exhausted:
            break
    return first


class _Composer:
    """One guess: `guess` written as digits, one digit per choice point, in the order in which they are met."""

    def __init__(self, root: Mapping[str, Any], story: Story, guess: int) -> None:
        self._root = root
        self._story = story
        self._rest = guess
        self._room = _MAX_ITEMS

    @property
    def exhausted(self) -> bool:
        """Tell whether this guess had more digits than there were choices, so that all have been tried."""
        return self._rest > 0

    def value(self, schema: Any, place: Place, story: Story) -> Any:
        flat = self._flat(schema, len(place.path))
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            return choose(flat["enum"], story, place, self._turn(len(flat["enum"])))
        titled = Place(place.path, place.vary, str(flat.get("title", "")))
        return self._of_kind(self._kind(flat, place), flat, titled, story)

    def _of_kind(self, kind: str, schema: Mapping[str, Any], place: Place, story: Story) -> Any:
        if kind == "object":
            return self._object(schema, place, story)
        if kind == "array":
            return self._array(schema, place, story)
        if kind in {"number", "integer"}:
            return write_number(story, schema, place, whole=kind == "integer")
        if kind == "boolean":
            return write_flag(place)
        return None if kind == "null" else write_text(story, schema, place)

    def _turn(self, options: int) -> int:
        self._rest, digit = divmod(self._rest, max(options, 1))
        return digit

    def _kind(self, schema: Mapping[str, Any], place: Place) -> str:
        named = schema.get("type")
        kinds = [named] if isinstance(named, str) else list(named or ())
        if not kinds:
            kinds = [kind for keys, kind in _CONSTRAINT_TYPES if any(key in schema for key in keys)] or ["string"]
        solid = [kind for kind in kinds if kind != "null"] or kinds
        if len(place.path) > _MAX_DEPTH and "null" in kinds:
            return "null"
        return solid[self._turn(len(solid))]

    def _flat(self, schema: Any, depth: int) -> dict[str, Any]:
        """Return the schema with its references, conjunctions and choices resolved into plain keywords."""
        if not isinstance(schema, Mapping):
            return {}
        plain = {key: part for key, part in schema.items() if key not in {"$defs", "definitions"}}
        parts: list[Any] = list(plain.pop("allOf", ()))
        if "$ref" in plain:
            parts.append(self._follow(plain.pop("$ref")))
        parts += [options[self._turn(len(options))] for options in self._choices(plain)]
        for part in parts[:_MAX_DEPTH]:
            plain = _both(plain, self._flat(part, depth + 1) if depth < 2 * _MAX_DEPTH else {})
        return plain

    @staticmethod
    def _choices(schema: dict[str, Any]) -> list[list[Any]]:
        """Take the choice points out of the schema; each is the list of the schemas that it offers."""
        found = [schema.pop(key) for key in ("anyOf", "oneOf") if key in schema]
        if "if" in schema:
            condition = schema.pop("if")
            found.append([{"allOf": [condition, schema.pop("then", True)]}, schema.pop("else", True)])
        return found

    def _follow(self, reference: str) -> Any:
        found: Any = self._root
        for raw in reference.removeprefix("#").split("/")[1:]:
            segment = unquote(raw).replace("~1", "/").replace("~0", "~")
            found = found[int(segment)] if isinstance(found, list) else found.get(segment, {})
        return found

    def _object(self, schema: Mapping[str, Any], place: Place, story: Story) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = dict.fromkeys(schema.get("required", ()))
        optional = [key for key in properties if key not in required and self._worth(key, properties[key], place)]
        room = int(schema.get("maxProperties", len(required) + len(optional))) - len(required)
        wanted = {*required, *optional[: max(room, 0)]}
        wanted |= {needed for key in wanted for needed in schema.get("dependentRequired", {}).get(key, ())}
        ordered = [key for key in properties if key in wanted] + [key for key in required if key not in properties]
        ordered += [key for key in wanted if key not in ordered]
        found = {key: self._member(schema, key, place, story) for key in ordered}
        return self._filled(schema, found, place, story)

    def _worth(self, key: str, schema: Any, place: Place) -> bool:
        """Tell whether an optional property is worth writing: it is known what to say, and facts are not invented."""
        if schema is False or len(place.path) >= _SHALLOW:
            return False
        flat = schema if isinstance(schema, Mapping) else {}
        if flat.get("format") in _FACTUAL_FORMATS:
            return False
        return is_known(key) or bool(flat.keys() & {"enum", "const", "properties", "items", "type"})

    def _member(self, schema: Mapping[str, Any], key: str, place: Place, story: Story) -> Any:
        properties = schema.get("properties", {})
        inner = properties.get(key)
        if inner is None:
            patterned = [part for pattern, part in schema.get("patternProperties", {}).items() if matches(pattern, key)]
            inner = patterned[0] if patterned else schema.get("additionalProperties", True)
        return self.value(inner, Place((*place.path, key)), story)

    def _filled(self, schema: Mapping[str, Any], found: dict[str, Any], place: Place, story: Story) -> dict[str, Any]:
        """Return the object with further members where it is a map, or has too few."""
        least = min(int(schema.get("minProperties", 0)), self._room)
        names: list[str] = []
        if isinstance(schema.get("additionalProperties"), Mapping) and not schema.get("properties"):
            names += _MAP_KEYS.get(place.key, ())
        optional = [key for key in schema.get("properties", {}) if key not in found]
        if len(found) < least:
            names += optional
            for pattern in schema.get("patternProperties", {}):
                names += [text for i in range(least) if (text := write_for(pattern, 0, None, i)) is not None]
            names += [f"detail{number}" for number in range(1, least + 1)]
        most = int(schema.get("maxProperties", max(least, len(found) + len(names))))
        for name in names:
            if len(found) >= (most if name in _MAP_KEYS.get(place.key, ()) else least):
                break
            if name not in found:
                found[name] = self._member(schema, name, place, story)
        return found

    def _array(self, schema: Mapping[str, Any], place: Place, story: Story) -> list[Any]:
        heads, tail = _item_schemas(schema)
        count = self._count(schema, heads, tail, place, story)
        required = self._contained(schema)
        items: list[Any] = []
        for number in range(count):
            inner = heads[number] if number < len(heads) else tail
            if number < required:
                inner = _both(self._flat(inner, 0), self._flat(schema["contains"], 0))
            items.append(self._item(inner, place, number, story, items if schema.get("uniqueItems") else []))
        return items

    def _count(self, schema: Mapping[str, Any], heads: list[Any], tail: Any, place: Place, story: Story) -> int:
        least = max(int(schema.get("minItems", 0)), self._contained(schema))
        natural = len(heads) or list_length(story, place.key)
        if len(place.path) > _MAX_DEPTH // 2 or (natural == 2 and self._leads_back(tail)):
            natural = 0
        count = max(natural, least)
        count = min(count, int(schema.get("maxItems", count)), self._room)
        count = min(count, len(heads)) if tail is False else count
        self._room -= count
        return count

    @staticmethod
    def _contained(schema: Mapping[str, Any]) -> int:
        return int(schema.get("minContains", 1)) if "contains" in schema else 0

    @staticmethod
    def _leads_back(schema: Any) -> bool:
        """Tell whether items of this schema may hold themselves, so that an empty list is the natural end."""
        return isinstance(schema, Mapping) and "$ref" in schema and not str(schema["$ref"]).startswith("#/$defs")

    def _item(self, schema: Any, place: Place, number: int, story: Story, taken: list[Any]) -> Any:
        inner = Place((*place.path, number))
        told = story.at(number) if "object" in str(self._peek(schema).get("type", "")) else story
        if not taken:
            return self.value(schema, inner, told)
        for vary in range(len(taken) + 2):
            value = self.value(schema, Place(inner.path, vary), told)
            if not any(_same(value, other) for other in taken):
                return value
        return self._varied(schema, inner, told, taken)

    def _varied(self, schema: Any, place: Place, story: Story, taken: list[Any]) -> Any:
        """Return an item that differs by its story, where varying its place was not enough."""
        for step in range(1, 9):
            value = self.value(schema, Place(place.path, step), story.at(step))
            if not any(_same(value, other) for other in taken):
                return value
        return self.value(schema, place, story)

    def _peek(self, schema: Any) -> Mapping[str, Any]:
        """Return the item's schema one reference deep, without spending a choice."""
        if isinstance(schema, Mapping) and "$ref" in schema:
            target = self._follow(schema["$ref"])
            return target if isinstance(target, Mapping) else {}
        return schema if isinstance(schema, Mapping) else {}


def _both(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Return the conjunction as one flat schema; what cannot be merged is left to the check at the end."""
    try:
        merged = conjoin(left, right)
    except UnsatisfiableError:
        return left
    if not isinstance(merged, dict) or "allOf" not in merged:
        return merged if isinstance(merged, dict) else left
    return {key: part for key, part in {**right, **left, **merged}.items() if key != "allOf"}


def _item_schemas(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the schemas of the first items and of all further ones, in the spelling of either draft."""
    items = schema.get("items", True)
    if isinstance(items, list):
        return items, schema.get("additionalItems", True)
    return list(schema.get("prefixItems", ())), items


def _same(left: Any, right: Any) -> bool:
    """Compare as JSON does: true is not 1, but 1.0 is."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)
