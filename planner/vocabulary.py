"""What conditions may speak of under a facet catalogue, built once per catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from planner.contracts.facets import FacetCatalogue
from policies.clauses import Vocabulary


@dataclass(frozen=True, slots=True)
class _Edition:
    """A catalogue that compares by its digest, so that equal catalogues share one vocabulary."""

    digest: str
    catalogue: FacetCatalogue = field(compare=False)


def vocabulary_of(catalogue: FacetCatalogue) -> Vocabulary:
    """Return the facet names, their schemas and the condition catalogue."""
    return _vocabulary(_Edition(catalogue.digest, catalogue))


@lru_cache(maxsize=8)
def _vocabulary(edition: _Edition) -> Vocabulary:
    return Vocabulary.of(edition.catalogue.schemas())
