"""Registrations as this server takes them: sound by the rules, and with no endpoint that it would refuse to call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from models.egress import EgressRefusedError, check_endpoint
from planner.contracts.capabilities import Capability, check_registration
from planner.contracts.facets import FacetCatalogue
from policies.errors import InvalidInputError, Problem

AT = "/endpoint/url"


def check_callable(raw: Any, catalogue: FacetCatalogue, hosts: Collection[str]) -> Capability:
    """Return the capability that a body registers, whose endpoint, if any, is on one of `hosts`.

    The address is judged by its text; whoever calls it judges what its name resolves to. Raises InvalidInputError with
    every problem.
    """
    refused = _refusal(raw, hosts)
    try:
        capability = check_registration(raw, catalogue)
    except InvalidInputError as error:
        if refused is None or any(problem.pointer == AT for problem in error.problems):
            raise
        raise InvalidInputError([*error.problems, refused]) from error
    if refused is not None:
        raise InvalidInputError([refused])
    return capability


def _refusal(raw: Any, hosts: Collection[str]) -> Problem | None:
    endpoint = raw.get("endpoint") if isinstance(raw, dict) else None
    url = endpoint.get("url") if isinstance(endpoint, dict) else None
    if not isinstance(url, str):
        return None
    try:
        check_endpoint(url, hosts)
    except EgressRefusedError as error:
        return Problem(AT, error.message, error.code)
    return None
