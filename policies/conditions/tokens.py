"""From text to tokens: names with dots, numbers with sign and exponent, quoted strings, operators."""

from __future__ import annotations

import re
from typing import NamedTuple

from policies.conditions.errors import Span

BLANK = " \t\n\r\v\f\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

TOKEN = re.compile(
    rf"""[{BLANK}]*(?:
      (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<symbol>&&|\|\||[=!<>]=|[<>!(),\[\]])
    | (?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')
    )""",
    re.VERBOSE | re.DOTALL,
)
BLANKS = re.compile(f"[{BLANK}]*")
ESCAPE = re.compile(r"\\(['\"\\bfnrt])")
ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class Token(NamedTuple):
    """A piece of the text. `kind` is `name`, `number`, `string`, `end`, `bad`, or the symbol itself.

    A `bad` token is where the text stops being readable; its `text` is the message. Nothing follows it, and the
    parser reports it only when it gets there, so the first fault of a text is always the leftmost.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return self.start, self.end


def is_blank(text: str) -> bool:
    return BLANKS.fullmatch(text) is not None


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text; the last one is `end` or `bad`."""
    tokens: list[Token] = []
    offset = 0
    match = TOKEN.match
    while (found := match(text, offset)) is not None:
        kind = found.lastgroup or ""
        start, offset = found.span(kind)
        word = text[start:offset]
        tokens.append(Token(word if kind == "symbol" else kind, word, start, offset))
    blanks = BLANKS.match(text, offset)
    offset = blanks.end() if blanks else offset
    if offset == len(text):
        tokens.append(Token("end", "", offset, offset))
    else:
        tokens.append(Token("bad", explain(text, offset), offset, offset + 1))
    return tokens


def explain(text: str, offset: int) -> str:
    """Say why no token begins at this offset."""
    character = text[offset]
    if character in {'"', "'"}:
        return "this quote is never closed"
    if character == "-":
        return "a minus belongs to a number, as in -1"
    if character == "=":
        return "a single = is no operator: write =="
    if character in "&|":
        return f"a single {character} is no operator: write {character * 2}"
    return f"the language has no {character!r}"


def unquote(quoted: str) -> str:
    r"""Return the text between the quotes; an unknown escape keeps its backslash: `"\d"` holds two characters."""
    body = quoted[1:-1]
    if "\\" not in body:
        return body
    return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[1]), body)
