"""Fitting a text into its bounds: longer by further sentences, shorter at a sentence or a word."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_DANGLING = re.compile(
    r"(?:[\s,;:\u2013-]+(?:a|an|the|and|or|of|to|in|on|at|for|with|by|is|are|that|our|behind|who)?)+$"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def fit(candidates: tuple[str, ...], more: tuple[str, ...], minimum: int, maximum: int | None) -> str:
    """Return the first candidate within the bounds (characters), else the first one made to fit.

    `more` are the sentences that lengthen a text, in order and again from the start when it must be very long.
    """
    for candidate in candidates:
        if len(candidate) >= minimum and (maximum is None or len(candidate) <= maximum):
            return candidate
    text = candidates[0] if candidates else ""
    if len(text) < minimum:
        text = lengthened(text, more, minimum)
    return text if maximum is None or len(text) <= maximum else shortened(text, minimum, maximum)


def lengthened(text: str, more: tuple[str, ...], minimum: int) -> str:
    """Return the text with as many further sentences as it takes, a paragraph for every three."""
    parts = [text if not text or text[-1] in ".!?" else f"{text}."] if text else []
    length = sum(map(len, parts))
    for number, sentence in enumerate(_endless(more)):
        if length >= minimum:
            break
        gap = "" if not parts else "\n\n" if number % 3 == 0 and "\n\n" in text else " "
        parts.append(gap + sentence)
        length += len(gap) + len(sentence)
    return "".join(parts)


def shortened(text: str, minimum: int, maximum: int) -> str:
    """Return the text cut at a sentence, else at a word, else anywhere, but not below `minimum`."""
    sentences = _whole_sentences(text, maximum)
    if sentences and len(sentences) >= max(minimum, maximum // 2):
        return sentences
    head = text[: maximum + 1]
    words = head[: max(head.rfind(" "), head.rfind("\n"), 0)]
    tidy = _DANGLING.sub("", words)
    for cut in (tidy, words.rstrip()):
        if cut and len(cut) >= minimum:
            return cut
    return text[:maximum]


def _whole_sentences(text: str, maximum: int) -> str:
    end = 0
    for match in _SENTENCE_END.finditer(text):
        if match.start() > maximum:
            break
        end = match.start()
    return text[:end]


def _endless(more: tuple[str, ...]) -> Iterator[str]:
    return itertools.cycle(more or ("There is more to say about it.",))
