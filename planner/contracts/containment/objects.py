"""Objects that have these members, lack those, and have so many.

Members judge alone, so an object exists when every member that must be there has a value and as many more can be added
as are asked for. A member that must exist under some name is tried under every name that the claims mention and under
fresh ones, which are all alike unless patterns tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count, product

from planner.contracts.containment.answers import EMPTY, TRUE, Answer, Search, joined, unknown
from planner.contracts.containment.claims import Absent, Claim, Members, Names, Present, Size, SomeMember
from planner.contracts.containment.sizes import Sizes
from planner.contracts.containment.strings import matches
from policies.errors import pointer

MAX_ADDED = 500
MAX_UNDECIDED = 5
Literals = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fresh:
    """A member under a name that no claim mentions, and what is claimed of that name and of the value."""

    claims: tuple[SomeMember, ...] = ()

    @property
    def matched(self) -> dict[str, bool] | None:
        """What the name matches and what not, None when that contradicts itself."""
        matched: dict[str, bool] = {}
        for text, holds in chain.from_iterable(claim.patterns for claim in self.claims):
            if matched.setdefault(text, holds) != holds:
                return None
        return matched


@dataclass(slots=True)
class ObjectFacts:
    """What is claimed of an object."""

    sizes: Sizes = field(default_factory=Sizes)
    groups: tuple[Members, ...] = ()
    present: Mapping[str, Literals] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    names: Literals = ()
    some: tuple[SomeMember, ...] = ()

    def copy(self) -> ObjectFacts:
        return replace(self)

    def add(self, claim: Claim) -> bool:
        match claim:
            case Size():
                self.sizes = self.sizes.narrowed(claim)
            case Members():
                self.groups = (*self.groups, claim)
            case Present(name, literal):
                self.present = _with(self.present, name, literal)
                return name not in self.absent
            case Absent(name):
                self.absent = (*self.absent, name)
                return name not in self.present
            case Names(literal):
                self.names = (*self.names, literal)
            case SomeMember():
                self.some = (*self.some, claim)
            case _:
                raise TypeError(claim)
        return True

    def solve(self, search: Search) -> Answer:
        if self.sizes.empty:
            return EMPTY
        best = EMPTY
        for present, fresh in self._placements(search):
            search.spend()
            best = best.or_else(self._fill(present, fresh, search))
            if best.verdict == "found":
                break
        return best

    def _known(self) -> dict[str, None]:
        """Return every name that a claim mentions, in a fixed order."""
        named = chain(self.present, *(group.named for group in self.groups), self.absent)
        return dict.fromkeys((*named, *(name for claim in self.some for name in sorted(claim.named))))

    def _placements(self, search: Search) -> Iterator[tuple[Mapping[str, Literals], tuple[Fresh, ...]]]:
        """Yield the ways to name the members that must exist under some name."""
        known = [name for name in self._known() if name not in self.absent]
        options: list[list[str | int]] = []
        for position, claim in enumerate(self.some):
            names = [name for name in known if _may_be(name, claim, search)]
            options.append([*names, *range(position + 1)])
        for choice in product(*options):
            present, fresh = self.present, dict[int, Fresh]()
            for claim, slot in zip(self.some, choice, strict=True):
                if isinstance(slot, str):
                    present = _with(present, slot, claim.value)
                else:
                    fresh[slot] = Fresh((*fresh.get(slot, Fresh()).claims, claim))
            yield present, tuple(fresh.values())

    def _fill(self, present: Mapping[str, Literals], fresh: tuple[Fresh, ...], search: Search) -> Answer:
        """Return the smallest object with these members."""
        number = len(present) + len(fresh)
        if self.sizes.most is not None and number > self.sizes.most:
            return EMPTY
        named: dict[str, Answer] = {}
        for name, literals in present.items():
            named[name] = self._solve_member(name, literals, search)
            if named[name] == EMPTY:
                return EMPTY
        doubts = self._add_known(named, self.sizes.least - len(fresh), search)
        missing = max(0, self.sizes.least - len(named) - len(fresh))
        for member in (*fresh, *(Fresh() for _ in range(min(missing, MAX_ADDED)))):
            name, answer = self._name_fresh(member, named, search)
            if answer == EMPTY:
                # With other names for the earlier members there might have been one left for this one.
                blocked = bool(fresh) and self._name_fresh(member, (), search)[1] != EMPTY
                doubts += [unknown("not every way to name the members was tried")] if blocked else []
                return next(iter(doubts), EMPTY) if blocked or not member.claims else EMPTY
            named[name] = answer.under(name)
        if missing > MAX_ADDED:
            return unknown(f"no object of {self.sizes.least} members is written for a proof")
        return joined(list(named.values()), lambda values: dict(zip(named, values, strict=True)))

    def _add_known(self, named: dict[str, Answer], wanted: int, search: Search) -> list[Answer]:
        """Add optional members until there are as many as wanted; return the answers for those in doubt."""
        doubts: list[Answer] = []
        for name in self._known() if len(named) < wanted else ():
            if len(named) >= wanted:
                break
            if name in named or name in self.absent:
                continue
            answer = self._solve_member(name, (), search)
            if answer.verdict == "found":
                named[name] = answer
            elif answer.verdict == "unknown":
                doubts.append(unknown(answer.reason, answer.pointer))
        return doubts

    def _solve_member(self, name: str, literals: Literals, search: Search) -> Answer:
        """Return a value for the member of the name; in doubt when it is not known whether there may be one."""
        if self.names:
            allowed = search.solve((search.constant(name), *self.names))
            if allowed.verdict != "found":
                return EMPTY if allowed == EMPTY else unknown(allowed.reason, pointer(name))
        judging = (literal for group in self.groups for literal in _judges(group, name))
        return search.solve((*judging, *literals)).under(name)

    def _name_fresh(self, member: Fresh, taken: Iterable[str], search: Search) -> tuple[str, Answer]:
        """Return a name for the member that no claim mentions, and the answer for its value."""
        matched = member.matched
        if matched is None:
            return "", EMPTY
        values = tuple(claim.value for claim in member.claims)
        wanted = [*self.names, *(claim.name for claim in member.claims if claim.name != TRUE)]
        patterns = dict.fromkeys((*matched, *(text for group in self.groups for text, _ in group.patterns)))
        used = {*self._known(), *taken}
        if not wanted and not patterns:
            literals = (group.others for group in self.groups)
            name = next(name for name in _plain_names() if name not in used)
            return name, search.solve((*literals, *values))
        undecided = [text for text in patterns if text not in matched]
        if len(undecided) > MAX_UNDECIDED:
            return "…", unknown(f"more than {MAX_UNDECIDED} patterns judge the names of members")
        wanted += (search.own({"type": "string"}), *(-search.constant(name) for name in sorted(used)))
        best = "…", EMPTY
        for verdicts in product((False, True), repeat=len(undecided)):
            told = {**matched, **dict(zip(undecided, verdicts, strict=True))}
            value = search.solve((*self._fresh_literals(told), *values))
            if value == EMPTY:
                continue
            signs = (_signed(search.own({"pattern": text}), holds=holds) for text, holds in told.items())
            name_found = search.solve((*wanted, *signs))
            if name_found.verdict == "found":
                if value.verdict == "found":
                    return name_found.value, value
                best = name_found.value, value
            elif name_found != EMPTY and best[1] == EMPTY:
                best = "…", unknown(name_found.reason)
        return best

    def _fresh_literals(self, told: Mapping[str, bool]) -> Iterator[int]:
        """Yield what judges a member whose name no claim mentions and that matches the patterns as told."""
        for group in self.groups:
            judging = [literal for text, literal in group.patterns if told[text]]
            yield from judging or (group.others,)


def _may_be(name: str, claim: SomeMember, search: Search) -> bool:
    """Whether the member that the claim asks for may have the name."""
    if name in claim.named or any(matches(text, name) != holds for text, holds in claim.patterns):
        return False
    return claim.name == TRUE or search.solve((search.constant(name), claim.name)) != EMPTY


def _judges(group: Members, name: str) -> Iterator[int]:
    judging = [literal for text, literal in group.patterns if matches(text, name)]
    if name in group.named:
        judging.append(group.named[name])
    yield from judging or (group.others,)


def _signed(literal: int, *, holds: bool) -> int:
    return literal if holds else -literal


def _plain_names() -> Iterator[str]:
    yield "x"
    yield from (f"x{number}" for number in count(1))


def _with(present: Mapping[str, Literals], name: str, literal: int) -> Mapping[str, Literals]:
    literals = () if literal == TRUE else (literal,)
    return {**present, name: (*present.get(name, ()), *literals)}
