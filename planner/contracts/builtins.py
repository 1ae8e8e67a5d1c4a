"""The capabilities that every server starts with: registrations as data, one file each, checked like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from policies import strict_json

FOLDER = Path(__file__).parent / "builtin"


def builtin_registrations() -> list[dict[str, Any]]:
    """Return the bodies of the built-in registrations in the order of their ids."""
    bodies: list[dict[str, Any]] = [strict_json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))]
    return bodies
