r"""Texts that are likely to match a pattern or to have a format; whether they do is checked by who uses them.

Read of a pattern, and enough for the common ones:

    choice   := sequence ("|" sequence)*
    sequence := (atom repeat?)*
    atom     := "(" ("?:" | "?P<name>")? choice ")" | "[" class "]" | "." | "\" escape | "^" | "$" | character
    repeat   := ("*" | "+" | "?" | "{" least ("," most?)? "}") "?"?
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

VARIANTS = 8
_MOST_REPEATS = 3
_MOST_WRITTEN = 200
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_PRINTABLE = "".join(map(chr, range(33, 127))) + " é"
_ESCAPES = {"d": _DIGITS, "w": _LETTERS + _DIGITS + "_", "s": " \t", "n": "\n", "t": "\t", "r": "\r"}
_ESCAPES |= {name.upper(): "".join(c for c in _PRINTABLE if not re.match(f"\\{name}", c)) for name in ("d", "w", "s")}
_REPEAT = re.compile(r"(\*|\+|\?|\{(\d+)(,(\d*))?\})\??")
_GROUP = re.compile(r"\(\?(:|P?<[A-Za-z_]\w*>)|\((?!\?)")
_RANGE = re.compile(r"(\\.|[^\\\]])-(\\.|[^\\\]])")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a pattern: writes texts for it, one per variant, and tells how short a text can be."""

    write: Callable[[int], str]
    shortest: int


_FORMATS = {
    "date": ("2024-02-29", "1999-12-31", "2030-07-04"),
    "date-time": ("2024-02-29T12:30:00Z", "1999-12-31T23:59:59Z", "2030-07-04T00:00:00.5+02:00"),
    "time": ("12:30:00Z", "23:59:59Z", "00:00:00+02:00"),
    "duration": ("P1D", "PT2H", "P3Y6M"),
    "email": ("a@example.com", "b.c@example.org"),
    "idn-email": ("a@example.com", "ü@example.org"),
    "hostname": ("example.com", "a", "localhost"),
    "idn-hostname": ("example.com", "bücher.example"),
    "ipv4": ("192.0.2.1", "10.0.0.1"),
    "ipv6": ("::1", "2001:db8::2"),
    "uri": ("https://example.com/", "urn:x", "mailto:a@example.com"),
    "uri-reference": ("https://example.com/", "/a", "b", ""),
    "iri": ("https://example.com/", "https://example.com/ü"),
    "iri-reference": ("https://example.com/", "/ü", "b", ""),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-4000-8000-000000000000"),
    "uri-template": ("https://example.com/{a}", "/a", ""),
    "json-pointer": ("/a", "/a/0", ""),
    "relative-json-pointer": ("0", "1/a"),
    "regex": ("^a$", "b", ""),
}
COMMON = ("", "a", "A", "0", "1", "-", "_", ".", "/", " ", "~", "é", "\n", "ab", "a b", "a1", "x-y", "true", "(", "%zz")


def format_samples(name: str) -> tuple[str, ...]:
    return _FORMATS.get(name, ())


def pattern_samples(text: str) -> tuple[str, ...]:
    """Return a few different texts that should match, shortest first; none when the pattern is not understood."""
    piece = _read(text)
    return tuple(sorted({piece.write(variant): None for variant in range(VARIANTS)}, key=len)) if piece else ()


def shortest_match(text: str) -> int:
    """Return how many characters a matching text has at least; 0 when the pattern is not understood."""
    piece = _read(text)
    return piece.shortest if piece else 0


@lru_cache(maxsize=512)
def _read(text: str) -> Piece | None:
    reader = _Reader(text)
    try:
        piece = reader.read_choice()
    except (_UnreadableError, RecursionError):
        return None
    return piece if reader.at == len(text) else None


class _UnreadableError(Exception):
    """The pattern uses what this reader does not know."""


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    def read_choice(self) -> Piece:
        ways = [self._read_sequence()]
        while self.text.startswith("|", self.at):
            self.at += 1
            ways.append(self._read_sequence())
        if len(ways) == 1:
            return ways[0]
        return Piece(
            lambda variant: ways[variant % len(ways)].write(variant // len(ways)), min(way.shortest for way in ways)
        )

    def _read_sequence(self) -> Piece:
        parts: list[Piece] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self._read_repeat(self._read_atom()))
        return Piece(
            lambda variant: "".join(part.write(variant) for part in parts), sum(part.shortest for part in parts)
        )

    def _read_repeat(self, atom: Piece) -> Piece:
        match = _REPEAT.match(self.text, self.at)
        if match is None:
            return atom
        self.at = match.end()
        if match[2] is None:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[match[1]]
        else:
            least = int(match[2])
            most = least if match[3] is None else int(match[4]) if match[4] else None
        spread = min(_MOST_REPEATS, (most - least) if most is not None else _MOST_REPEATS) + 1
        return Piece(
            lambda variant: "".join(
                atom.write(variant + turn) for turn in range(min(least, _MOST_WRITTEN) + variant % spread)
            ),
            least * atom.shortest,
        )

    def _read_atom(self) -> Piece:
        if group := _GROUP.match(self.text, self.at):
            self.at = group.end()
            inner = self.read_choice()
            self._expect(")")
            return inner
        character = self.text[self.at]
        self.at += 1
        if character in "^$":
            return Piece(lambda _variant: "", 0)
        if character == ".":
            return _one_of(_LETTERS)
        if character == "[":
            return _one_of(self._read_class())
        if character == "\\":
            return _one_of(self._read_escape())
        if character in "*+?({}":
            raise _UnreadableError
        return _one_of(character)

    def _read_class(self) -> str:
        negated = self.text.startswith("^", self.at)
        self.at += negated
        found: list[str] = []
        while self.at < len(self.text) and (self.text[self.at] != "]" or not found):
            if span := _RANGE.match(self.text, self.at):
                first, last = (_single(end) for end in (span[1], span[2]))
                found.append("".join(map(chr, range(ord(first), min(ord(last), ord(first) + 100) + 1))))
                self.at = span.end()
                continue
            character = self.text[self.at]
            self.at += 1
            if character == "[":
                # [:alpha:] and its like are one character, not a list.
                raise _UnreadableError
            found.append(self._read_escape() if character == "\\" else character)
        self._expect("]")
        listed = "".join(found)
        # One of each part comes first: what tells two patterns apart is often the last character that one takes.
        firsts = "".join(part[:1] for part in found)
        return "".join(c for c in _PRINTABLE if c not in listed) if negated else firsts + listed

    def _read_escape(self) -> str:
        if self.at >= len(self.text):
            raise _UnreadableError
        character = self.text[self.at]
        self.at += 1
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isalnum():
            raise _UnreadableError
        return character

    def _expect(self, character: str) -> None:
        if not self.text.startswith(character, self.at):
            raise _UnreadableError
        self.at += 1


def _one_of(characters: Sequence[str]) -> Piece:
    if not characters:
        raise _UnreadableError
    return Piece(lambda variant: characters[variant % len(characters)], 1)


def _single(written: str) -> str:
    if len(written) == 1:
        return written
    if written[1].isalnum():
        raise _UnreadableError
    return written[1]
