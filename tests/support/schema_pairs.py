"""Random pairs of schemas that often contain one another, and values that often satisfy a given schema."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from tests.support.json_strategies import NAMES, TYPES, scalars, values

_SIZES = st.integers(0, 3)
_BOUNDS = st.integers(-3, 5) | st.sampled_from([0.5, 1.5])
_LEAVES = (
    st.booleans()
    | st.sampled_from(TYPES).map(lambda name: {"type": name})
    | scalars.map(lambda value: {"const": value})
)
_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")


def _plain_keywords(inner):
    return {
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
        "enum": st.lists(values, min_size=1, max_size=4),
        "const": values,
        "minimum": _BOUNDS,
        "maximum": _BOUNDS,
        "exclusiveMinimum": _BOUNDS,
        "exclusiveMaximum": _BOUNDS,
        "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.1]),
        "minLength": _SIZES,
        "maxLength": _SIZES,
        "minItems": _SIZES,
        "maxItems": _SIZES,
        "uniqueItems": st.booleans(),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "minProperties": _SIZES,
        "maxProperties": _SIZES,
        "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        "additionalProperties": inner,
    }


def _logical_keywords(inner):
    some = st.lists(inner, min_size=1, max_size=3)
    return {**_plain_keywords(inner), "not": inner, "allOf": some, "anyOf": some, "oneOf": some}


@st.composite
def _objects(draw, table, inner):
    keywords = table(inner)
    chosen = draw(st.lists(st.sampled_from(sorted(keywords)), max_size=4, unique=True))
    return {name: draw(keywords[name]) for name in chosen}


def _schemas(table):
    return st.recursive(_LEAVES, lambda inner: _objects(table, inner), max_leaves=6)


plain_schemas = _schemas(_plain_keywords)
logical_schemas = _schemas(_logical_keywords)


@st.composite
def _pairs(draw, table, schemas):
    """A schema, and another or one that differs from it in a keyword here and there."""
    left = draw(schemas)
    if draw(st.booleans()):
        return left, draw(schemas)
    return left, draw(_changed(left, table, schemas))


@st.composite
def _changed(draw, schema, table, schemas):
    if isinstance(schema, bool) or draw(st.integers(0, 4)) == 0:
        return draw(schemas)
    changed = dict(schema)
    if changed and draw(st.booleans()):
        del changed[draw(st.sampled_from(sorted(changed)))]
    if draw(st.booleans()):
        keywords = table(schemas)
        name = draw(st.sampled_from(sorted(keywords)))
        changed[name] = draw(keywords[name])
    for keyword in ("items", "additionalProperties", "not"):
        if keyword in changed and draw(st.booleans()):
            changed[keyword] = draw(_changed(changed[keyword], table, schemas))
    for name, member in changed.get("properties", {}).items():
        if draw(st.booleans()):
            return {**changed, "properties": {**changed["properties"], name: draw(_changed(member, table, schemas))}}
    return changed


plain_pairs = _pairs(_plain_keywords, plain_schemas)
logical_pairs = _pairs(_logical_keywords, logical_schemas)


@st.composite
def recursive_pairs(draw):
    """Two documents whose definitions refer to themselves and each other."""
    references = st.sampled_from(["#/$defs/t", "#/$defs/u"]).map(lambda place: {"$ref": place})
    schemas = st.recursive(_LEAVES | references, lambda inner: _objects(_logical_keywords, inner), max_leaves=6)
    tree, other = draw(schemas), draw(schemas)
    changed = draw(_changed(tree, _logical_keywords, schemas))
    return tuple({"$ref": "#/$defs/t", "$defs": {"t": first, "u": other}} for first in (tree, changed))


@st.composite
def instances(draw, schema, depth=3):
    """Draw a value that is meant to satisfy the schema, though it need not."""
    if not isinstance(schema, dict) or depth == 0 or draw(st.integers(0, 9)) == 0:
        return draw(values)
    if listed := [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]:
        return draw(st.sampled_from(listed))
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in schema and draw(st.booleans()):
            return draw(instances(draw(st.sampled_from(schema[keyword])), depth))
    named = schema.get("type", TYPES)
    kind = named if isinstance(named, str) else draw(st.sampled_from(named))
    return draw(_of_kind(kind, schema, depth - 1))


def _of_kind(kind, schema, depth):
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    shortest, fewest = schema.get("minLength", 0), schema.get("minItems", 0)
    prefix, rest = schema.get("prefixItems", []), schema.get("items", True)
    near = [schema[k] for k in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if k in schema]
    numbers = st.builds(lambda bound, by: bound + by, st.sampled_from(near or [0]), st.sampled_from([0, 1, -1, 0.5, 2]))
    names = st.lists(st.sampled_from([*NAMES, "d"]), max_size=3).map(
        lambda some: dict.fromkeys([*schema.get("required", ()), *some])
    )
    kinds = {
        "integer": numbers,
        "number": numbers,
        "string": st.text("ab", min_size=shortest, max_size=shortest + 2),
        "array": st.integers(fewest, fewest + 2).flatmap(
            lambda count: st.tuples(
                *(instances(part, depth) for part in (prefix + [rest] * count)[: max(count, fewest)])
            ).map(list)
        ),
        "object": names.flatmap(
            lambda some: st.fixed_dictionaries({name: instances(known.get(name, others), depth) for name in some})
        ),
    }
    return kinds.get(kind, scalars)


def small_universe():
    """Return every value of a small world: scalars, and lists and objects of up to two of a few of them."""
    atoms = [None, True, False, -3, -1, 0, 0.5, 1, 1.5, 2, 3, 5, 6, "", "a", "ab", "bbb"]
    few = [None, True, 0, 0.5, 1, 3, "", "ab"]
    lists = [list(items) for size in range(3) for items in product(few, repeat=size)]
    objects = [{}] + [{name: value} for name in [*NAMES, "d"] for value in few]
    objects += [{"a": left, other: right} for left in few for right in few for other in ("b", "c", "d")]
    nested = [[[]], [{}], [[0]], [["a"]], [{"a": 1}], {"a": []}, {"a": {}}, {"b": {"a": 1}}, {"a": [1]}, [0, 1, 2]]
    return [*atoms, *lists, *objects, *nested]
