"""The capabilities that every server starts with: registrations as data, one file each, checked like any other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from policies import strict_json

FOLDER = Path(__file__).parent / "builtin"


def builtin_registrations() -> list[dict[str, Any]]:
    """Return the bodies of the built-in registrations in the order of their ids."""
    bodies: list[dict[str, Any]] = [strict_json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
    return bodies


@cache
def builtin_spellings() -> Mapping[str, str]:
    """Return the ids of the built-in capabilities, each by itself in small letters."""
    return MappingProxyType({body["capabilityId"].lower(): body["capabilityId"] for body in builtin_registrations()})
