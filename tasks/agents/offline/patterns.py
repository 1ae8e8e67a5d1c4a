"""Writing a text that a regular expression accepts, for the patterns that people put into schemas.

    expression = branch ("|" branch)*
    branch     = (atom quantifier?)*
    atom       = "." | class | escape | "(" ("?:" | "?P<name>" | "?<name>")? expression ")" | "^" | "$" | character
    quantifier = ("*" | "+" | "?" | "{" n ("," m?)? "}") "?"?

What lies beyond that grammar (look-around, back-references, Unicode properties) is not attempted. The result is a
proposal: whoever asks checks it against the real engine.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

import regex

_TIMEOUT_SECONDS = 0.05
_MAX_REPEAT = 400
_WORD = string.ascii_lowercase + string.ascii_uppercase + string.digits + "_"
_PRINTABLE = string.ascii_lowercase + string.ascii_uppercase + string.digits + " .,-_"
_ESCAPES = {
    "d": string.digits,
    "w": _WORD,
    "s": " ",
    "D": string.ascii_lowercase,
    "W": "-",
    "S": string.ascii_lowercase,
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_OPEN = -1


class _NotAttemptedError(Exception):
    """The pattern uses something beyond the grammar above."""


@dataclass(frozen=True, slots=True)
class _Repeat:
    """An alternative of choices, or one of `characters`, `low` to `high` times."""

    characters: str
    branches: tuple[tuple[_Repeat, ...], ...]
    low: int
    high: int


def matches(pattern: str, text: str) -> bool:
    """Tell whether the text satisfies the pattern as JSON Schema reads it: found anywhere, within a time limit."""
    try:
        return regex.search(pattern, text, timeout=_TIMEOUT_SECONDS) is not None
    except (regex.error, TimeoutError):
        return False


def write_for(pattern: str, minimum: int, maximum: int | None, variant: int = 0) -> str | None:
    """Return a text for the pattern and the bounds on its length, or None when none was found."""
    try:
        branches, end = _expression(pattern, 0)
    except (_NotAttemptedError, IndexError, ValueError):
        return None
    if end != len(pattern):
        return None
    for stretch in (0, 1, 2, 4, 8, 16, 32, 64, max(minimum, 1)):
        for choice in range(max(len(branches), 1)):
            text = _Writer(stretch, variant).write(branches[choice : choice + 1])
            if len(text) < minimum and not pattern.endswith("$"):
                text += "a" * (minimum - len(text))
            if len(text) >= minimum and (maximum is None or len(text) <= maximum) and matches(pattern, text):
                return text
    return None


class _Writer:
    """Writes one text; `variant` turns the choice of characters so that several texts differ."""

    def __init__(self, stretch: int, variant: int) -> None:
        self._stretch = stretch
        self._turn = variant

    def write(self, branches: tuple[tuple[_Repeat, ...], ...]) -> str:
        return "".join(self._repeat(part) for part in branches[0]) if branches else ""

    def _repeat(self, part: _Repeat) -> str:
        room = self._stretch if part.high == _OPEN else min(self._stretch, part.high - part.low)
        count = min(part.low + room, _MAX_REPEAT + part.low)
        return "".join(self._once(part) for _ in range(count))

    def _once(self, part: _Repeat) -> str:
        if part.branches:
            return self.write(part.branches)
        self._turn += 1
        return part.characters[(self._turn - 1) % len(part.characters)] if part.characters else ""


def _expression(pattern: str, at: int) -> tuple[tuple[tuple[_Repeat, ...], ...], int]:
    branches = []
    while True:
        branch, at = _branch(pattern, at)
        branches.append(branch)
        if at >= len(pattern) or pattern[at] != "|":
            return tuple(branches), at
        at += 1


def _branch(pattern: str, at: int) -> tuple[tuple[_Repeat, ...], int]:
    parts = []
    while at < len(pattern) and pattern[at] not in "|)":
        characters, branches, at = _atom(pattern, at)
        low, high, at = _quantifier(pattern, at)
        parts.append(_Repeat(characters, branches, low, high))
    return tuple(parts), at


def _atom(pattern: str, at: int) -> tuple[str, tuple[tuple[_Repeat, ...], ...], int]:
    character = pattern[at]
    if character in "^$":
        return "", (), at + 1
    if character == ".":
        return _PRINTABLE, (), at + 1
    if character == "[":
        characters, at = _class(pattern, at + 1)
        return characters, (), at
    if character == "(":
        branches, at = _expression(pattern, _group_start(pattern, at + 1))
        if pattern[at] != ")":
            raise _NotAttemptedError
        return "", branches, at + 1
    if character == "\\":
        characters = _escape(pattern[at + 1])
        return characters, (), at + 2
    if character in "*+?{":
        raise _NotAttemptedError
    return character, (), at + 1


def _group_start(pattern: str, at: int) -> int:
    if pattern[at] != "?":
        return at
    if pattern[at + 1] == ":":
        return at + 2
    named = pattern[at + 1] == "<" and pattern[at + 2] not in "=!"
    if named or pattern.startswith("?P<", at):
        return pattern.index(">", at) + 1
    raise _NotAttemptedError


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character in "bBAZz":
        return ""
    if character.isalnum() and character not in _CONTROLS:
        raise _NotAttemptedError
    return _CONTROLS.get(character, character)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return the characters of a class and the place behind its bracket."""
    negated = pattern[at] == "^"
    at += negated
    found: list[str] = []
    first = True
    while pattern[at] != "]" or first:
        first = False
        if pattern[at] == "[":
            raise _NotAttemptedError
        if pattern[at] == "\\":
            members, at = _escape(pattern[at + 1]), at + 2
        else:
            members, at = pattern[at], at + 1
        if len(members) == 1 and pattern[at] == "-" and pattern[at + 1] not in "]\\":
            members, at = _range(members, pattern[at + 1]), at + 2
        found.append(members)
    characters = "".join(dict.fromkeys("".join(found)))
    if negated:
        characters = "".join(c for c in _PRINTABLE if c not in characters)
    return characters, at + 1


def _range(low: str, high: str) -> str:
    return "".join(chr(code) for code in range(ord(low), min(ord(high), ord(low) + 500) + 1))


def _quantifier(pattern: str, at: int) -> tuple[int, int, int]:
    low, high = 1, 1
    if at < len(pattern) and pattern[at] in "*+?{":
        if pattern[at] == "{":
            end = pattern.index("}", at)
            first, comma, second = pattern[at + 1 : end].partition(",")
            low = int(first or 0)
            high = int(second) if second else (_OPEN if comma else low)
            at = end + 1
        else:
            low, high = {"*": (0, _OPEN), "+": (1, _OPEN), "?": (0, 1)}[pattern[at]]
            at += 1
        if at < len(pattern) and pattern[at] in "?+":
            at += 1
    return low, high, at
