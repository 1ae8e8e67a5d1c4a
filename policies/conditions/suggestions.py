"""The nearest known name by edit distance, at a bounded price."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that takes the fewest edits, the first of equals; None when half of it would change."""
    best: str | None = None
    limit = max(3, len(word) // 2)
    for candidate in known:
        distance = edit_distance(word, candidate, limit)
        if distance is not None and (best is None or distance < limit):
            best, limit = candidate, distance
    return best


def edit_distance(left: str, right: str, limit: int) -> int | None:
    """Return the number of insertions, deletions and replacements between two words, None above the limit.

    Bit-parallel (Myers, Hyyrö): a column of the distance table is two integers, so a word costs one pass.
    """
    if abs(len(left) - len(right)) > limit:
        return None
    if not left:
        return len(right)
    places: dict[str, int] = {}
    for index, character in enumerate(left):
        places[character] = places.get(character, 0) | 1 << index
    mask = (1 << len(left)) - 1
    last = 1 << len(left) - 1
    rises, falls, distance = mask, 0, len(left)
    for character in right:
        match = places.get(character, 0)
        level = (((match & rises) + rises) ^ rises) | match | falls
        up = falls | ~(level | rises) & mask
        down = rises & level
        distance += bool(up & last) - bool(down & last)
        up = (up << 1 | 1) & mask
        down = (down << 1) & mask
        rises = down | ~(level | up) & mask
        falls = up & level
    return distance if distance <= limit else None
