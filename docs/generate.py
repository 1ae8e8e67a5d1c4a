"""Write the reference pages that are made from data: `make docs`."""
# ruff: noqa: INP001  # a script beside the documents is no package

from __future__ import annotations

from pathlib import Path

from models.telemetry.reference import telemetry_markdown
from planner.contracts.capabilities import builtin_registrations, check_registration
from planner.contracts.facets import load_catalogue
from planner.contracts.reference import capabilities_markdown, facets_markdown

FOLDER = Path(__file__).parent / "reference"


def generated_pages() -> dict[Path, str]:
    """Return the text of each page by its path."""
    catalogue = load_catalogue()
    builtins = [check_registration(body, catalogue, builtin=True) for body in builtin_registrations()]
    return {
        FOLDER / "facets.md": facets_markdown(catalogue),
        FOLDER / "capabilities.md": capabilities_markdown(builtins, catalogue),
        FOLDER / "telemetry.md": telemetry_markdown(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for page, text in generated_pages().items():
        page.write_text(text, encoding="utf-8")
