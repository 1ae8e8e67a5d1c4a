"""The facet catalogue of this process: the built-in facets and those of FLEX_FACETS_DIR, read once."""

from __future__ import annotations

from functools import cache

from models.settings import get_settings
from planner.contracts.facets import FacetCatalogue, load_catalogue


@cache
def catalogue() -> FacetCatalogue:
    """Return the catalogue. Raises CatalogueInvalidError naming the file and the place in it."""
    folder = get_settings().facets_dir
    return load_catalogue(*([folder] if folder else []))
