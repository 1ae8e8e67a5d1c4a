"""What is wrong with a condition text, and where: diagnostics with positions, and the one error that carries them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policies.errors import FlexError

Span = tuple[int, int]
"""Offsets of the first character and of the one behind the last."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: `offset` counts characters from 0, `line` and `column` from 1."""

    offset: int
    line: int
    column: int

    def as_json(self) -> dict[str, int]:
        return {"offset": self.offset, "line": self.line, "column": self.column}


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of a text; `end` is the place behind its last character."""

    start: Position
    end: Position

    def as_json(self) -> dict[str, dict[str, int]]:
        return {"start": self.start.as_json(), "end": self.end.as_json()}


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding that still counts in offsets; `locate` turns it into a diagnostic once the text is at hand."""

    code: str
    message: str
    span: Span
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong with a condition, with a suggestion where a near name or value is known."""

    code: str
    message: str
    range: Range
    suggestion: str | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message, "range": self.range.as_json()}
        return body if self.suggestion is None else {**body, "suggestion": self.suggestion}


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the clients' word; nothing here handles Python's own warnings
    """Something that is allowed and probably not meant."""

    code: str
    message: str
    range: Range | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return body if self.range is None else {**body, "range": self.range.as_json()}


class ConditionError(FlexError):
    """The condition is not valid: correct the places named in its diagnostics."""

    code = "invalid_condition_dsl"

    def __init__(self, diagnostics: Iterable[Diagnostic], text: str = "") -> None:
        self.diagnostics = tuple(diagnostics)
        self.text = text
        super().__init__("; ".join(describe(found) for found in self.diagnostics[:5]))

    def as_json(self) -> list[dict[str, Any]]:
        """Return the diagnostics in the shape that clients receive as `errors`."""
        return [found.as_json() for found in self.diagnostics]


class FaultError(Exception):
    """The first fault at which parsing stops; it never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def position(text: str, offset: int) -> Position:
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(offset, text.count("\n", 0, offset) + 1, offset - line_start + 1)


def text_range(text: str, span: Span) -> Range:
    return Range(position(text, span[0]), position(text, span[1]))


def locate(text: str, faults: Iterable[Fault]) -> ConditionError:
    """Return the error that tells all these faults in the order in which they stand in the text."""
    ordered = sorted(faults, key=lambda fault: fault.span[0])
    return ConditionError(
        (Diagnostic(f.code, f.message, text_range(text, f.span), f.suggestion) for f in ordered), text
    )


def describe(found: Diagnostic) -> str:
    start = found.range.start
    return f"line {start.line}, column {start.column}: {found.message}"


def draw_caret(text: str, found: Diagnostic) -> str:
    """Return the line of the fault with carets under it, as many as the fault is wide within that line."""
    start, end = found.range.start, found.range.end
    line = text.split("\n")[start.line - 1]
    stop = end.column - 1 if end.line == start.line else len(line)
    lead = "".join("\t" if character == "\t" else " " for character in line[: start.column - 1])
    return f"{line}\n{lead}{'^' * max(1, stop - start.column + 1)}"
