"""The root of every error that Flex raises on purpose, and the one shape in which input is found wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# A document of a megabyte can be wrong in a hundred thousand places; a reply that long helps nobody.
MAX_PROBLEMS = 200


class FlexError(Exception):
    """Something that Flex expected could go wrong did."""

    code = "flex_error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())

    @property
    def message(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where (a JSON pointer), what, and which rule says so."""

    pointer: str
    message: str
    code: str = "invalid"
    range: dict[str, Any] | None = None

    def under(self, prefix: str) -> Problem:
        """Return the same problem seen from a document that holds this one at `prefix`."""
        return Problem(prefix + self.pointer, self.message, self.code, self.range)

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"pointer": self.pointer, "message": self.message, "code": self.code}
        return body if self.range is None else {**body, "range": self.range}


class InvalidInputError(FlexError):
    """The input is not acceptable; every problem names its place."""

    code = "validation_failed"

    def __init__(self, problems: Iterable[Problem], message: str | None = None) -> None:
        found = tuple(problems)
        self.problems = found[:MAX_PROBLEMS]
        if len(found) > MAX_PROBLEMS:
            self.problems += (Problem("", f"{len(found) - MAX_PROBLEMS} further problems are not listed", "further"),)
        super().__init__(message or "; ".join(f"{p.pointer or '/'}: {p.message}" for p in self.problems[:5]))


def pointer(*segments: str | int) -> str:
    """Return the RFC 6901 pointer of a path: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in segments)
