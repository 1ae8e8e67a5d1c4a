"""Random JSON values and random simple JSON Schemas, small enough that they often meet."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ["a", "b", "c"]
PATTERNS = ["^a", "b$", "[0-9]+", "^(a|b)*$"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-4, 6),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, -0.25, 0.3]),
    st.sampled_from(["", "a", "b", "ab", "a1", "bbb", "2024-02-30", "2024-02-28"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


def _keywords(inner: st.SearchStrategy) -> dict[str, st.SearchStrategy]:
    sizes = st.integers(0, 3)
    bounds = st.integers(-3, 5) | st.sampled_from([0.5, 1.5])
    return {
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
        "enum": st.lists(values, min_size=1, max_size=4),
        "const": values,
        "minimum": bounds,
        "maximum": bounds,
        "exclusiveMinimum": bounds,
        "exclusiveMaximum": bounds,
        "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.1]),
        "minLength": sizes,
        "maxLength": sizes,
        "pattern": st.sampled_from(PATTERNS),
        "format": st.sampled_from(["date", "email", "unknown"]),
        "minItems": sizes,
        "maxItems": sizes,
        "uniqueItems": st.booleans(),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "contains": inner,
        "minContains": sizes,
        "maxContains": sizes,
        "minProperties": sizes,
        "maxProperties": sizes,
        "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        "patternProperties": st.dictionaries(st.sampled_from(PATTERNS), inner, max_size=1),
        "additionalProperties": inner,
        "propertyNames": inner,
        "dependentRequired": st.dictionaries(
            st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=2, unique=True), max_size=1
        ),
        "not": inner,
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "if": inner,
        "then": inner,
        "else": inner,
        "title": st.just("t"),
    }


@st.composite
def _object(draw, inner, most):
    table = _keywords(inner)
    names = draw(st.lists(st.sampled_from(sorted(table)), max_size=most, unique=True))
    return {name: draw(table[name]) for name in names}


def _schemas(most: int) -> st.SearchStrategy:
    return st.recursive(st.booleans() | _object(st.booleans(), most), lambda inner: _object(inner, most), max_leaves=5)


schemas = _schemas(4)

# Anything at all under names that schemas use, most of it no schema.
_words = st.sampled_from([*_keywords(st.booleans()), "$ref", "$id", "$schema", "$anchor", "$defs", "x", "dependencies"])
_odd = scalars | st.sampled_from(["#", "#/$defs/a", "#/x", "http://example.com/s", "(", "^(a+)+$"])
almost_schemas = st.recursive(
    _odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4), max_leaves=8
)
