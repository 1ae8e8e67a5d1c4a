"""Where a value stands in an output: the path to it, and what the path says about it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.agents.offline.facts import normal

_LONG_FORMS = {"longformdraft", "blogpost", "article", "longform"}
_PART_LISTS = {"sections", "paragraphs", "parts", "chapters"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the path to it, and how far it is to differ from what stands beside it."""

    path: tuple[str | int, ...] = ()
    vary: int = 0
    title: str = ""

    @property
    def key(self) -> str:
        return next((normal(part) for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def parent(self) -> str:
        names = [normal(part) for part in self.path if isinstance(part, str)]
        return names[-2] if len(names) > 1 else ""

    @property
    def index(self) -> int:
        """Return the number of the array item that this is, or is directly part of."""
        return next((part for part in reversed(self.path[-2:]) if isinstance(part, int)), 0) + self.vary

    @property
    def is_item(self) -> bool:
        return bool(self.path) and isinstance(self.path[-1], int)

    @property
    def long(self) -> bool:
        return any(isinstance(part, str) and normal(part) in _LONG_FORMS for part in self.path)

    @property
    def spelled(self) -> str:
        """Return the key as the schema spells it."""
        return next((part for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def in_part(self) -> bool:
        """Tell whether the place lies inside a list of parts of a longer text."""
        return any(isinstance(part, str) and normal(part) in _PART_LISTS for part in self.path[:-1])
