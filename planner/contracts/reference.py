"""The reference pages of the catalogue and of the built-in capabilities, as text made from their data."""

from __future__ import annotations

import json
from collections.abc import Iterable

from planner.contracts.capability import Capability
from planner.contracts.facets import Facet, FacetCatalogue

_MADE_BY = "<!-- Written by `make docs` from {source}; edit that, not this page. -->"


def facets_markdown(catalogue: FacetCatalogue) -> str:
    """Return docs/reference/facets.md: an overview, then each facet with its meaning and schema."""
    facets = [catalogue.get(name) for name in sorted(catalogue.names(), key=str.lower)]
    rows = [
        f"| {_link(f.name)} | {f.description} | {f.direction} | {'yes' if f.required_by_default else 'no'} |"
        for f in facets
    ]
    return _page(
        "Facets",
        "planner/contracts/catalogue",
        f"A facet names one kind of value that agents exchange. This server knows {len(facets)} of them; further ones "
        "are read from the folder that `FLEX_FACETS_DIR` names, one JSON file of the same form each. *Required* says "
        "whether a contract that lists the facet demands it.",
        "\n".join(["| Facet | What it holds | Direction | Required |", "|---|---|---|---|", *rows]),
        *(_facet_section(facet) for facet in facets),
    )


def capabilities_markdown(capabilities: Iterable[Capability], catalogue: FacetCatalogue) -> str:
    """Return docs/reference/capabilities.md: an overview, then each capability with what it takes and makes."""
    known = sorted(capabilities, key=lambda capability: capability.capability_id.lower())
    rows = [f"| {_link(c.capability_id)} | {c.summary} | {c.kind} | {_doer(c)} |" for c in known]
    return _page(
        "Capabilities",
        "planner/contracts/builtin",
        f"The {len(known)} capabilities that a server starts with (`FLEX_BUILTIN_CAPABILITIES` picks some of them). "
        "They register through the same rules as yours: `POST /api/v1/flex/capabilities/register`. "
        "Facets are described in [facets.md](facets.md).",
        "\n".join(["| Capability | What it does | Kind | Done by |", "|---|---|---|---|", *rows]),
        *(_capability_section(capability, catalogue) for capability in known),
    )


def _page(title: str, source: str, *blocks: str) -> str:
    return "\n\n".join([f"# {title}", _MADE_BY.format(source=source), *blocks]) + "\n"


def _facet_section(facet: Facet) -> str:
    facts = [f"Title “{facet.title}”", f"version {facet.version}", f"direction {facet.direction}"]
    if facet.property_key != facet.name:
        facts.append(f"stands under the key `{facet.property_key}` in contracts")
    if facet.catalog_tags:
        facts.append(f"tags {', '.join(facet.catalog_tags)}")
    schema = json.dumps(facet.schema, indent=2, ensure_ascii=False)
    return "\n\n".join(
        [f"## {facet.name}", "; ".join(facts) + ".", facet.description, facet.semantics, f"```json\n{schema}\n```"]
    )


def _capability_section(capability: Capability, catalogue: FacetCatalogue) -> str:
    lines = [
        f"- **Needs:** {_links(capability.input_facets, catalogue)}",
        f"- **Uses if there:** {_links(capability.optional_input_facets, catalogue)}",
        f"- **Makes:** {_links(capability.output_facets, catalogue)}",
    ]
    for name, values in (capability.input_traits or {}).items():
        lines.append(f"- **{name.capitalize()}:** {', '.join(values)}")
    if capability.cost and "estimatedTokens" in capability.cost:
        lines.append(f"- **Cost:** about {capability.cost['estimatedTokens']} tokens a call")
    if capability.heartbeat:
        lines.append(f"- **Heartbeat:** every {capability.heartbeat['intervalSeconds']} s")
    if capability.assignment_defaults:
        lines.append(_assignment(capability.assignment_defaults))
    instructions = (capability.instruction_templates or {}).get("app", "")
    facts = (
        f"“{capability.display_name}”, version {capability.version}, kind {capability.kind}, "
        f"done by {_doer(capability)}."
    )
    return "\n\n".join(
        [f"## {capability.capability_id}", facts, capability.summary, "\n".join(lines), f"> {instructions}"]
    )


def _assignment(defaults: dict[str, object]) -> str:
    waits = f", {defaults['timeoutSeconds']} s to answer" if "timeoutSeconds" in defaults else ""
    declined = f", if declined: `{defaults['onDecline']}`" if "onDecline" in defaults else ""
    return f"- **Assigned to:** {defaults['role']}{waits}{declined}"


def _links(names: Iterable[str], catalogue: FacetCatalogue) -> str:
    links = [f'[`{name}`](facets.md#{_anchor(name)} "{catalogue.get(name).title}")' for name in names]
    return ", ".join(links) or "nothing"


def _doer(capability: Capability) -> str:
    return "a person" if capability.agent_type == "human" else "an agent"


def _link(heading: str) -> str:
    return f"[`{heading}`](#{_anchor(heading)})"


def _anchor(heading: str) -> str:
    """Return the anchor that Markdown viewers give a heading: lower case, no dots."""
    return heading.lower().replace(".", "")
