"""Where a dotted path leads inside a JSON value, keys that hold dots themselves included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


class Missing:
    """The answer for a path that leads nowhere; null is an answer of its own."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

Finder = Callable[[Any], Any]


def finder(path: str) -> Finder:
    """Return a function from a JSON value to what lies at `path` in it, or `MISSING`.

    Segments are keys of objects, indexes of lists, or `length` of a list. Only when the plain way fails are keys tried
    that hold dots; every step then goes down in the value, so the search ends.
    """
    segments = tuple(path.split("."))

    def find(root: Any) -> Any:
        value = root
        try:
            for segment in segments:
                value = value[segment]
        except (KeyError, TypeError):
            return search(root, segments)
        return value

    return find


def search(root: Any, segments: tuple[str, ...]) -> Any:
    """Find a path by trying, at each object, the plain key first and then keys made of several segments."""
    if is_plainly_absent(root, segments):
        return MISSING
    pending: list[tuple[Any, tuple[str, ...]]] = [(root, segments)]
    while pending:
        value, rest = pending.pop()
        if not rest:
            return value
        if isinstance(value, dict):
            pending.extend(steps(value, rest))
        elif isinstance(value, list):
            entry = index(value, rest[0])
            if entry is not MISSING:
                pending.append((entry, rest[1:]))
    return MISSING


def is_plainly_absent(root: Any, segments: tuple[str, ...]) -> bool:
    """Tell, for the common case, that a key is absent and no key on the way there holds a dot."""
    value = root
    for segment in segments:
        if type(value) is not dict or "." in "".join(map(str, value)):
            return False
        if segment not in value:
            return True
        value = value[segment]
    return False


def steps(value: dict[str, Any], rest: tuple[str, ...]) -> list[tuple[Any, tuple[str, ...]]]:
    """Return where the next key may lead, the most dots first, so that the plain key is popped first."""
    found = []
    if len(rest) > 1:
        for key, inner in value.items():
            if isinstance(key, str) and "." in key:  # type: ignore[redundant-expr]  # a payload may come from Python
                parts = tuple(key.split("."))
                if rest[: len(parts)] == parts:
                    found.append((inner, rest[len(parts) :]))
        found.sort(key=lambda step: len(step[1]))
    if rest[0] in value:
        found.append((value[rest[0]], rest[1:]))
    return found


def index(entries: list[Any], segment: str) -> Any:
    if segment == "length":
        return len(entries)
    if segment.isascii() and segment.isdecimal() and len(segment) < 10 and int(segment) < len(entries):
        return entries[int(segment)]
    return MISSING
