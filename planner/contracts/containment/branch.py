"""One way in which a value of one kind could keep all claims: what is settled, and the choices still open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from planner.contracts.containment.answers import TRUE, Answer, Search
from planner.contracts.containment.arrays import ArrayFacts
from planner.contracts.containment.choices import Choices, LiteralFacts
from planner.contracts.containment.claims import Claim, Either, Is, Opaque, Way
from planner.contracts.containment.numbers import NumberFacts
from planner.contracts.containment.objects import ObjectFacts
from planner.contracts.containment.strings import StringFacts


class Facts(Protocol):
    """What is claimed of a value of one kind."""

    def copy(self) -> Any: ...

    def add(self, claim: Claim) -> bool:
        """Take the claim in; tell whether it can hold beside the others at first sight."""

    def solve(self, search: Search) -> Answer:
        """Return a value that keeps every claim, or that there is none."""


_FACTS: dict[str, Callable[[], Facts]] = {
    "null": lambda: LiteralFacts(Choices(listed=(None,))),
    "boolean": lambda: LiteralFacts(Choices(listed=(False, True))),
    "number": NumberFacts,
    "string": StringFacts,
    "array": ArrayFacts,
    "object": ObjectFacts,
}


@dataclass(slots=True)
class Branch:
    """Claims about a value of one kind, taken apart as far as that needs no choice."""

    kind: str
    facts: Facts
    literals: set[int] = field(default_factory=set)
    opaque: dict[tuple[str, int], bool] = field(default_factory=dict)
    choices: list[tuple[Way, ...]] = field(default_factory=list)

    @classmethod
    def start(cls, kind: str) -> Branch:
        return cls(kind, _FACTS[kind]())

    def extended(self, way: Way, expand: Callable[[int, str], tuple[Claim, ...]]) -> Branch | None:
        """Return the branch with the claims of the way, None when they contradict what is settled."""
        copy = Branch(self.kind, self.facts.copy(), set(self.literals), dict(self.opaque), list(self.choices))
        return copy if copy.take(way, expand) else None

    def take(self, claims: Iterable[Claim], expand: Callable[[int, str], tuple[Claim, ...]]) -> bool:
        """Settle the claims and what follows from them; tell whether no contradiction was met."""
        agenda = list(claims)
        agenda.reverse()
        while agenda:
            claim = agenda.pop()
            match claim:
                case Is(literal):
                    if literal == -TRUE or -literal in self.literals:
                        return False
                    if literal != TRUE and literal not in self.literals:
                        self.literals.add(literal)
                        agenda.extend(reversed(expand(literal, self.kind)))
                case Either(ways):
                    if not ways:
                        return False
                    if len(ways) == 1:
                        agenda.extend(reversed(ways[0]))
                    elif () not in ways:
                        self.choices.append(ways)
                case Opaque(key, holds):
                    if self.opaque.setdefault(key, holds) != holds:
                        return False
                case _:
                    if not self.facts.add(claim):
                        return False
        return True
