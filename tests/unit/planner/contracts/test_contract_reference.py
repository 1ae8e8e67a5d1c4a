"""The reference pages in docs/ are what the data say today, and every link inside them leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from planner.contracts.capabilities import builtin_registrations, check_registration
from planner.contracts.facets import load_catalogue
from planner.contracts.reference import capabilities_markdown, facets_markdown

FOLDER = Path(__file__).parents[4] / "docs" / "reference"
CATALOGUE = load_catalogue()
BUILTINS = [check_registration(raw, CATALOGUE, builtin=True) for raw in builtin_registrations()]


def test_the_page_of_facets_is_not_stale():
    assert (FOLDER / "facets.md").read_text("utf-8") == facets_markdown(CATALOGUE), "run `make docs`"


def test_the_page_of_capabilities_is_not_stale():
    page = capabilities_markdown(BUILTINS, CATALOGUE)
    assert (FOLDER / "capabilities.md").read_text("utf-8") == page, "run `make docs`"


def test_links_between_the_pages_lead_to_headings():
    facets, capabilities = facets_markdown(CATALOGUE), capabilities_markdown(BUILTINS, CATALOGUE)
    anchors = {
        page: {heading.lower().replace(".", "") for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)}
        for page, text in (("facets.md", facets), ("", capabilities))
    }
    linked = re.findall(r"\]\((facets\.md)?#([^ )]+)", capabilities)
    assert linked
    assert all(anchor in anchors[page] for page, anchor in linked)
