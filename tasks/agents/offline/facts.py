"""Finding facts in a bundle's inputs, whatever facet and key they arrive under."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_FACT_CHARACTERS = 220
_MAX_DEPTH = 8


class Facts:
    """All values of the inputs by normalised key, in the order in which they stand."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._by_key: dict[str, list[Any]] = {}
        for key, value in _walk(inputs, 0):
            self._by_key.setdefault(normal(key), []).append(value)

    def text(self, *keys: str) -> str | None:
        """Return the first text that stands under one of the keys, tidied and short enough to quote."""
        for value in self._under(keys):
            texts = value if isinstance(value, list) else [value]
            for text in texts:
                if isinstance(text, str) and (tidied := tidy(text)):
                    return tidied
        return None

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return every text under the keys, those in lists included, without repetition."""
        found: dict[str, None] = {}
        for value in self._under(keys):
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and (tidied := tidy(text)):
                    found[tidied] = None
        return tuple(found)

    def whole(self, *keys: str) -> int | None:
        """Return the first whole number under one of the keys."""
        for value in self._under(keys):
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    def links(self) -> tuple[str, ...]:
        """Return every web address among the values."""
        values = (text for values in self._by_key.values() for value in values for text in _strings(value))
        return tuple(dict.fromkeys(text for text in values if re.fullmatch(r"https?://[^\s<>\"{}|\\^`]+", text)))

    def _under(self, keys: Iterable[str]) -> Iterator[Any]:
        for key in keys:
            yield from self._by_key.get(normal(key), ())


def normal(key: str) -> str:
    """Return a key as it is compared: `Core_Value` and `coreValue` are one."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def tidy(text: str) -> str:
    """Return a text on one line, without closing stop, cut at a word when it is too long to quote."""
    line = " ".join(text.split()).rstrip(" .;,")
    if len(line) <= MAX_FACT_CHARACTERS:
        return line
    return line[:MAX_FACT_CHARACTERS].rpartition(" ")[0].rstrip(" .;,:")


def _walk(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), inner
        for inner in value.values():
            yield from _walk(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, depth + 1)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
