"""Strict JSON: what passes, what is refused and where, and that reading undoes writing."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.strict_json import StrictJSONError, dumps, fingerprint, loads

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


@given(values)
def test_reading_undoes_writing(value):
    assert loads(dumps(value)) == value
    assert loads(dumps(value).encode()) == value


@given(values)
def test_equal_values_have_one_text_whatever_the_order_of_their_members(value):
    reordered = json.loads(json.dumps(value), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert dumps(reordered) == dumps(value)
    assert fingerprint(reordered) == fingerprint(value)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text):
    with suppress(StrictJSONError):
        assert loads(dumps(loads(text))) == loads(text)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"a": [1, NaN]}', "/a/1"),
        ('{"a": -Infinity}', "/a"),
        ('{"a": {"b": 1e999}}', "/a/b"),
        ('{"a": 1, "b": 2, "a": 3}', "/a"),
        ('{"a/b": {"~": 1, "~": 2}}', "/a~1b/~0"),
        ('["ok", "\\u0000"]', "/1"),
        ('{"a": "\\ud800"}', "/a"),
        ('{"\\udfff": 1}', "/\\udfff"),
        ('{"n": ' + "9" * 401 + "}", "/n"),
    ],
)
def test_what_another_reader_would_read_differently_is_refused_at_its_place(text, pointer):
    with pytest.raises(StrictJSONError) as caught:
        loads(text)
    assert caught.value.pointer == pointer
    assert caught.value.code == "invalid_json"


def test_everything_wrong_is_told_at_once():
    with pytest.raises(StrictJSONError) as caught:
        loads('{"a": NaN, "b": 1e999, "c": "\\u0000", "d": 1, "d": 2}')
    assert {problem.pointer for problem in caught.value.problems} == {"/a", "/b", "/c", "/d"}


@pytest.mark.parametrize(
    "raw",
    [b"\xef\xbb\xbf{}", "\ufeff{}", "{}".encode("utf-16"), b'"\xff"', b"", b"{", b'{"a":}', b"[1,]", b"'a'", b'"a\nb"'],
)
def test_texts_that_are_no_utf8_json_are_refused_with_an_offset(raw):
    with pytest.raises(StrictJSONError) as caught:
        loads(raw)
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("", "there is no text"),
        (" \n", "there is no text"),
        ('{"a": 1,}', "a comma stands before the closing }: take it out"),
        ("[1, ]", "a comma stands before the closing ]: take it out"),
        ('{"a": [1', "the text ends too soon: close what is open"),
        ("{'a': 1}", "a text stands in single quotes: JSON wants double ones"),
        ("{a: 1}", "Expecting property name enclosed in double quotes at line 1, column 2"),
    ],
)
def test_a_text_that_is_no_json_is_told_its_remedy(raw, told):
    with pytest.raises(StrictJSONError) as caught:
        loads(raw)
    assert told in caught.value.message
    assert "at line " in caught.value.message


@pytest.mark.parametrize("depth", [65, 20_000])
def test_nesting_beyond_the_limit_is_refused(depth):
    with pytest.raises(StrictJSONError, match="nested deeper than 64"):
        loads("[" * depth + "]" * depth)


def test_nesting_up_to_the_limit_and_long_integers_pass():
    assert loads("[" * 64 + "]" * 64)
    assert loads("-" + "9" * 400) == -(10**400 - 1)
    assert loads('"\\ud83d\\ude00"') == "😀"


def test_writing_refuses_numbers_that_json_has_not():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(float("nan"))
