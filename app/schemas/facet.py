"""Facets: the words in which capabilities say what they take and give."""

from __future__ import annotations

from app.schemas.base import Closed, choice, flag, free, one, text, texts
from planner.contracts.facets import DIRECTIONS


class FacetMetadataSchema(Closed):
    """How a facet may be used, and where its value stands in a compiled schema."""

    version = text(required=True)
    direction = choice(DIRECTIONS, required=True)
    required_by_default = flag()
    property_key = text()
    catalog_tags = texts()


class FacetSchema(Closed):
    """One kind of value: what it means, how agents should treat it, and its JSON Schema."""

    name = text(required=True)
    title = text(required=True)
    description = text(required=True)
    semantics = text(required=True)
    schema = free("A JSON Schema.", required=True)
    metadata = one(FacetMetadataSchema, required=True)
