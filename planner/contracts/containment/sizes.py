"""How many characters, items or members a value has."""

from __future__ import annotations

from dataclasses import dataclass

from planner.contracts.containment.claims import Size


@dataclass(frozen=True, slots=True)
class Sizes:
    """From `least` to `most` (None: without end), both included."""

    least: int = 0
    most: int | None = None

    @property
    def empty(self) -> bool:
        return self.most is not None and self.least > self.most

    def narrowed(self, claim: Size) -> Sizes:
        limits = [most for most in (self.most, claim.most) if most is not None]
        return Sizes(max(self.least, claim.least), min(limits, default=None))
