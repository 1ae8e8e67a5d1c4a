"""The search for a value: each kind of value by itself, choices tried in turn, the values inside by the same search.

A question is a state: the literals that a value has to satisfy. A state that comes up again inside itself is answered
“none” there, because the smallest value for it holds no smaller one; answers that lean on this are kept only while the
outer question is open. Every step is counted, so the search ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from planner.contracts.containment.answers import EMPTY, TRUE, Answer, ExhaustedError, State, unknown
from planner.contracts.containment.branch import Branch
from planner.contracts.containment.claims import KINDS, Claim, Either, Is
from planner.contracts.containment.keywords import judge
from planner.contracts.containment.parts import Parts
from planner.contracts.containment.subject import Subject

MAX_STEPS = 20_000
MAX_DEPTH = 40


@dataclass(slots=True)
class Inhabitation:
    """The answers found so far about the parts of one question."""

    parts: Parts
    steps: int = MAX_STEPS
    _answers: dict[State, Answer] = field(default_factory=dict)
    _leaning_answers: dict[State, tuple[Answer, frozenset[State]]] = field(default_factory=dict)
    _open: dict[State, None] = field(default_factory=dict)
    _leans: list[set[State]] = field(default_factory=lambda: [set()])
    _judgements: dict[tuple[int, str], tuple[Claim, ...]] = field(default_factory=dict)

    def spend(self) -> None:
        """Count a step; raise ExhaustedError when there are none left."""
        self.steps -= 1
        if self.steps < 0:
            raise ExhaustedError(f"took more than {MAX_STEPS} steps: make the schemas simpler")

    def constant(self, value: Any) -> int:
        return self.parts.constant(value)

    def own(self, schema: dict[str, Any]) -> int:
        return self.parts.own(schema)

    def solve(self, state: Iterable[int]) -> Answer:
        """Return a value that satisfies all literals of the state, or that there is none."""
        literals = frozenset(state) - {TRUE}
        if any(-literal in literals for literal in literals) or -TRUE in literals:
            return EMPTY
        if literals in self._answers:
            return self._answers[literals]
        if literals in self._leaning_answers:
            answer, leans = self._leaning_answers[literals]
            self._leans[-1] |= leans
            return answer
        if literals in self._open:
            self._leans[-1].add(literals)
            return EMPTY
        if len(self._open) >= MAX_DEPTH:
            return unknown(f"values nested deeper than {MAX_DEPTH} are not looked into")
        return self._answer(literals)

    def _answer(self, state: State) -> Answer:
        self._open[state] = None
        self._leans.append(set())
        try:
            answer = self._solve_kinds(state)
        finally:
            del self._open[state]
            leans = frozenset(self._leans.pop() - {state})
            # What leaned on this question being open says nothing any more.
            for other in [o for o, (_, its_leans) in self._leaning_answers.items() if state in its_leans]:
                del self._leaning_answers[other]
        self._leans[-1] |= leans
        if answer.verdict == "found" or not leans:
            self._answers[state] = answer
        else:
            self._leaning_answers[state] = answer, leans
        return answer

    def _solve_kinds(self, state: State) -> Answer:
        possible = set(KINDS).intersection(*(self.parts[literal].kinds for literal in state if literal > 0))
        best = EMPTY
        for kind in KINDS:
            if kind in possible and best.verdict != "found":
                best = best.or_else(self._solve_kind(kind, state))
        return best

    def _solve_kind(self, kind: str, state: State) -> Answer:
        best = EMPTY
        branches = [Branch.start(kind).extended(tuple(map(Is, sorted(state, key=_plain_first))), self._expand)]
        while branches:
            branch = branches.pop()
            if branch is None:
                continue
            self.spend()
            if not branch.choices:
                best = best.or_else(self._solve_settled(branch))
                if best.verdict == "found":
                    return best
                continue
            branches.extend(reversed(self._choose(branch)))
        return best

    def _solve_settled(self, branch: Branch) -> Answer:
        answer = branch.facts.solve(self)
        keywords = sorted({keyword for keyword, _ in branch.opaque})
        return answer.doubted(f"{', '.join(keywords)}: not modelled") if keywords else answer

    def _choose(self, branch: Branch) -> list[Branch | None]:
        """Return the branch's ways to go on by the choice with the fewest that are not ruled out at once."""
        if len(branch.choices) == 1:
            return self._ways(branch, 0)
        best: list[Branch | None] | None = None
        for index in range(len(branch.choices)):
            ways = [way for way in self._ways(branch, index) if way is not None and self._is_open(way)]
            if best is None or len(ways) < len(best):
                best = list(ways)
            if len(best) <= 1:
                break
        return best or []

    def _is_open(self, branch: Branch) -> bool:
        self.spend()
        return branch.facts.solve(self) != EMPTY

    def _ways(self, branch: Branch, index: int) -> list[Branch | None]:
        rest = Branch(
            branch.kind,
            branch.facts,
            branch.literals,
            branch.opaque,
            [choice for place, choice in enumerate(branch.choices) if place != index],
        )
        return [rest.extended(way, self._expand) for way in branch.choices[index]]

    def _expand(self, literal: int, kind: str) -> tuple[Claim, ...]:
        """Return what a literal claims of values of the kind."""
        known = self._judgements.get((literal, kind))
        if known is None:
            part = self.parts[abs(literal)]
            judgement = judge(Subject(part, self.parts, kind))
            known = judgement.kept if literal > 0 else (Either(judgement.broken),)
            self._judgements[literal, kind] = known
        return known


def _plain_first(literal: int) -> tuple[bool, int]:
    """Order what must hold before what must not."""
    return literal < 0, abs(literal)
