"""Texts of such a length that match these patterns and not those, have these formats and not those.

Lengths and lists are decided exactly. Patterns and formats exclude each other only where the same one is asked for and
forbidden; beyond that, texts are tried, and where none fits the answer is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import regex

from planner.contracts.containment.answers import EMPTY, Answer, ExhaustedError, Search, found, unknown
from planner.contracts.containment.choices import Choices
from planner.contracts.containment.claims import Claim, Format, NoneOf, OneOf, Pattern, Size
from planner.contracts.containment.samples import COMMON, format_samples, pattern_samples, shortest_match
from planner.contracts.containment.sizes import Sizes
from planner.contracts.schema_keywords import FORMATS, PATTERN_SECONDS
from planner.contracts.schema_lint import compile_pattern

MAX_LENGTH = 20_000
MAX_TRIES = 400
_MATCH_ALL = frozenset({"", "^", "$", ".*", "^.*", ".*$", "(.*)", "^(.*)", "(.*)$"})
_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_FURTHER_CHARACTERS = range(0x4E00, 0xD7FF)


@dataclass(slots=True)
class StringFacts:
    """What is claimed of a text."""

    choices: Choices = field(default_factory=Choices)
    sizes: Sizes = field(default_factory=Sizes)
    patterns: dict[str, bool] = field(default_factory=dict)
    formats: dict[str, bool] = field(default_factory=dict)

    def copy(self) -> StringFacts:
        return replace(self, patterns=dict(self.patterns), formats=dict(self.formats))

    def add(self, claim: Claim) -> bool:
        match claim:
            case OneOf() | NoneOf():
                self.choices = self.choices.narrowed(claim)
            case Size():
                self.sizes = self.sizes.narrowed(claim)
            case Pattern(text, holds):
                if holds:
                    self.sizes = self.sizes.narrowed(Size(shortest_match(text)))
                return self.patterns.setdefault(text, holds) == holds and (holds or text not in _MATCH_ALL)
            case Format(name, holds):
                return self.formats.setdefault(name, holds) == holds
            case _:
                raise TypeError(claim)
        return True

    def solve(self, _search: Search) -> Answer:
        if self.sizes.empty:
            return EMPTY
        if self.choices.listed is not None:
            return self._try_all(self.choices.listed)
        if self.sizes.most == 0:
            return self._try_all(("",))
        if self.sizes.least > MAX_LENGTH:
            return unknown(f"no text of {self.sizes.least} characters is written for a proof")
        free = not self.patterns and not self.formats
        for text in self._plain_texts() if free else islice(self._likely_texts(), MAX_TRIES):
            if self._fits(text):
                return found(text)
        asked = [*(f"the pattern {text}" for text in self.patterns), *(f"the format {name}" for name in self.formats)]
        return unknown(f"no text was found for {', '.join(asked) or 'the excluded values'}")

    def _try_all(self, texts: tuple[str, ...]) -> Answer:
        """Return the answer where these are all the texts there can be."""
        for text in texts:
            if self._fits(text):
                return found(text)
        slow = any(_matches(pattern, text) is None for pattern in self.patterns for text in texts)
        return unknown("a pattern takes too long on a listed text") if slow else EMPTY

    def _fits(self, text: str) -> bool:
        return (
            self.sizes.least <= len(text)
            and (self.sizes.most is None or len(text) <= self.sizes.most)
            and text not in self.choices
            and all(_matches(pattern, text) == holds for pattern, holds in self.patterns.items())
            and all(FORMATS.conforms(text, name) == holds for name, holds in self.formats.items())
        )

    def _plain_texts(self) -> Iterator[str]:
        """Yield more different texts of a fitting length than can be excluded."""
        if self.sizes.least == 0:
            yield ""
        start = "a" * (max(self.sizes.least, 1) - 1)
        yield from (start + character for character in _CHARACTERS)
        yield from (start + chr(code) for code in _FURTHER_CHARACTERS)

    def _likely_texts(self) -> Iterator[str]:
        texts = dict.fromkeys(
            chain(
                *(format_samples(name) for name, holds in self.formats.items() if holds),
                *(pattern_samples(text) for text, holds in self.patterns.items() if holds),
                islice(self._plain_texts(), 3),
                COMMON,
                *(pattern_samples(text) for text in self.patterns),
                *(format_samples(name) for name in self.formats),
            )
        )
        yield from texts
        for text in texts:
            missing = self.sizes.least - len(text)
            for filler in ("a", "0", " ", text[-1:]) if missing > 0 else ():
                yield text + filler * missing
                yield filler * missing + text


def matches(pattern: str, text: str) -> bool:
    """Tell whether the pattern occurs in the text; raise ExhaustedError when that takes too long."""
    verdict = _matches(pattern, text)
    if verdict is None:
        raise ExhaustedError(f"the pattern {pattern} takes too long on “{text[:40]}”")
    return verdict


def _matches(pattern: str, text: str) -> bool | None:
    try:
        return compile_pattern(pattern).search(text, timeout=PATTERN_SECONDS) is not None
    except (TimeoutError, regex.error):
        return None
