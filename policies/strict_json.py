"""Read JSON strictly, so that every database, browser and parser reads the same, and write it canonically.

Reading takes two steps: the parser leaves a mark wherever a text is no portable JSON (a number that is not finite, a
doubled key), then one walk over the result turns marks, NUL characters and depth into problems with their pointers.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from policies.errors import FlexError, Problem, pointer

MAX_DEPTH = 64
MAX_DIGITS = 400
MAX_PROBLEMS = 50
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class StrictJSONError(FlexError):
    """The text is not JSON that Flex accepts; send UTF-8 JSON without NaN, doubled keys or NUL characters."""

    code = "invalid_json"

    def __init__(self, problems: list[Problem], *, offset: int | None = None) -> None:
        self.problems = tuple(problems)
        self.pointer = problems[0].pointer
        self.offset = offset
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.message}" for p in problems[:5]))


@dataclass(frozen=True, slots=True)
class _Refused:
    """What the parser leaves in place of a number that is not portable."""

    reason: str


class _Doubled(dict[str, Any]):
    """An object some of whose keys stood in it more than once."""

    keys_doubled: tuple[str, ...] = ()


def loads(text: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of `text`; raise StrictJSONError with every problem, or the offset of a syntax error."""
    source = _decode(text) if isinstance(text, bytes | bytearray | memoryview) else text
    if source.startswith("\ufeff"):
        _refuse("the text starts with a byte order mark: send UTF-8 without one", offset=0)
    try:
        value = json.loads(
            source,
            parse_constant=lambda name: _Refused(f"{name} is no JSON number: leave the member out or send null"),
            parse_float=_read_float,
            parse_int=_read_int,
            object_pairs_hook=_read_object,
        )
    except json.JSONDecodeError as error:
        _refuse(f"{_fault_of(error)} at line {error.lineno}, column {error.colno}", offset=error.pos)
    except RecursionError:
        _refuse(_too_deep(max_depth))
    problems: list[Problem] = []
    for problem in _walk(value, max_depth):
        problems.append(problem)
        if len(problems) == MAX_PROBLEMS:
            break
    if problems:
        raise StrictJSONError(problems)
    return value


def dumps(value: Any) -> str:
    """Return the canonical text of a JSON value: sorted keys, no spaces, characters as they are."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of the canonical text."""
    return hashlib.sha256(dumps(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _refuse(message: str, *, offset: int | None = None) -> NoReturn:
    raise StrictJSONError([Problem("", message, "invalid_json")], offset=offset)


def _fault_of(error: json.JSONDecodeError) -> str:
    """Return what the parser found, or what it means where that is plain to see, and the remedy."""
    before, found = error.doc[: error.pos].rstrip(), error.doc[error.pos : error.pos + 1]
    if not before and not found:
        return "there is no text: send a JSON document; one is expected"
    if not found:
        return f"the text ends too soon: close what is open; {_lowered(error.msg)}"
    if before.endswith(",") and found in {"}", "]"}:
        return f"a comma stands before the closing {found}: take it out; {_lowered(error.msg)}"
    if found == "'":
        return f"a text stands in single quotes: JSON wants double ones; {_lowered(error.msg)}"
    return error.msg


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _decode(raw: bytes | bytearray | memoryview) -> str:
    data = bytes(raw)
    if data.startswith(_BYTE_ORDER_MARKS):
        _refuse("the text starts with a byte order mark: send UTF-8 without one", offset=0)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"byte {error.start} is not UTF-8: encode the text as UTF-8", offset=error.start)


def _read_float(text: str) -> float | _Refused:
    number = float(text)
    return number if math.isfinite(number) else _Refused(f"{text[:20]} is too large for a number: send it as a string")


def _read_int(text: str) -> int | _Refused:
    if len(text.lstrip("-")) > MAX_DIGITS:
        return _Refused(f"an integer of {len(text)} digits, at most {MAX_DIGITS} are read: send it as a string")
    return int(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    doubled = _Doubled(found)
    doubled.keys_doubled = tuple(dict.fromkeys(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]  # add() is None: the idiom of "seen before"
    return doubled


def _too_deep(max_depth: int) -> str:
    return f"nested deeper than {max_depth} levels: flatten the document"


def _walk(root: Any, max_depth: int) -> Iterator[Problem]:
    """Yield what is wrong anywhere in the parsed value, without recursion: the depth is the sender's."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(root, ())]
    while stack:
        value, path = stack.pop()
        if isinstance(value, str):
            yield from _check_text(value, path)
        elif isinstance(value, _Refused):
            yield Problem(pointer(*path), value.reason, "invalid_json")
        elif isinstance(value, dict | list):
            if len(path) >= max_depth:
                yield Problem(pointer(*path), _too_deep(max_depth), "invalid_json")
                continue
            if isinstance(value, dict):
                yield from _check_keys(value, path)
            members = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend(
                (member, (*path, key)) for key, member in members if not isinstance(member, bool | int | float)
            )


def _check_keys(value: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Problem]:
    if isinstance(value, _Doubled):
        for key in value.keys_doubled:
            yield Problem(pointer(*path, key), "the key stands here more than once: keep one of them", "duplicate_key")
    for key in value:
        if _UNSTORABLE.search(key):
            place = pointer(*path, key.encode("ascii", "backslashreplace").decode())
            yield Problem(place, _unstorable("a key"), "invalid_json")


def _check_text(value: str, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if _UNSTORABLE.search(value):
        yield Problem(pointer(*path), _unstorable("the text"), "invalid_json")


def _unstorable(what: str) -> str:
    return f"{what} holds a NUL character or half of a surrogate pair: remove it"
