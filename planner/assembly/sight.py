"""What each step of a layout can see: the facets that are there by then, and whose value of a facet it gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from planner.assembly.layout import JOIN, OUTPUT, Step


class Sight:
    """A layout's steps with their ancestors worked out once. Steps come behind those that they wait for."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self._ancestors: dict[str, frozenset[str]] = {}
        for step in steps:
            self._ancestors[step.name] = frozenset(step.after).union(*(self._ancestors[p] for p in step.after))

    @cached_property
    def output(self) -> Step | None:
        return next((step for step in self.steps if step.name == OUTPUT), None)

    def visible(self, step: Step, given: Iterable[str]) -> frozenset[str]:
        """Return every facet that the step can see."""
        return frozenset(given).union(*(makes(s) for s in self.steps if s.name in self._ancestors[step.name]))

    def makers(self, facet: str, at: Step | None) -> tuple[Step, ...]:
        """Return the steps whose value of the facet is seen at a step (None: at the end): one, or one per branch."""
        before = {s.name for s in self.steps} if at is None else self._ancestors[at.name]
        found = [s for s in self.steps if s.name in before and facet in makes(s)]
        hidden: frozenset[str] = frozenset().union(*(self._ancestors[s.name] for s in found))
        return tuple(s for s in found if s.name not in hidden)

    def origins(self, facet: str) -> tuple[Step, ...]:
        """Return the capability steps whose values of the facet end up in the result, whatever fits them on the way."""
        return self._through(facet, self.makers(facet, self.output))

    def fitted(self, step: Step, facet: str) -> Step | None:
        """Return the step that makes the step's value of a facet fit a limit, if there is one."""
        return next((s for s in self.steps if s.fit and s.fit.facet == facet and step in self._sources(facet, s)), None)

    def _through(self, facet: str, found: Iterable[Step]) -> tuple[Step, ...]:
        return tuple(o for s in found for o in ((s,) if s.capability is not None else self._sources(facet, s)))

    def _sources(self, facet: str, step: Step) -> tuple[Step, ...]:
        return self._through(facet, self.makers(facet, step))

    def branched(self, facet: str, at: Step) -> bool:
        """Whether the facet arrives at a step as one value per branch."""
        return any(maker.branch is not None for maker in self.makers(facet, at))


def makes(step: Step) -> tuple[str, ...]:
    if step.capability is not None:
        return step.capability.output_facets
    return step.facets if step.name == JOIN or step.fits else ()
