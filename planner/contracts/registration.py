"""The rules of a capability registration: every problem at its pointer, all of them at once.

Phases: the plain members, the two contracts (facets compiled to schemas), then what only the whole can tell: a system
prompt that names every facet, people who need assignment defaults, conditions on facets.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import urlsplit

from planner.contracts.builtins import builtin_spellings
from planner.contracts.capability import AGENT_TYPES, DERIVED_METADATA, KINDS, RECORD_MOMENTS, RECORD_ONLY, Capability
from planner.contracts.declared_contracts import read_input_contract, read_names, read_output_contract, read_supported
from planner.contracts.facets import FacetCatalogue
from planner.contracts.system_prompt import compose_prompt, unnamed_facets
from planner.refusals import InvalidConditionError
from policies.clauses import ConditionProblem, Vocabulary
from policies.errors import InvalidInputError, Problem, pointer
from policies.facet_conditions import FacetCondition, check_facet_conditions
from policies.shape import ObjectReader

TRAITS = ("languages", "formats", "strengths", "limitations")
ON_DECLINE = ("fail_run", "requeue", "escalate")
PRIORITIES = ("urgent", "high", "normal", "low")
MAX_URL = 2_000
SIGNING_PREFIX = "whsec_"
# Bounds that no honest registration meets, within which sums and dates stay what the rest can reckon with.
MAX_ATTEMPT_SECONDS = 86_400
MAX_WAIT_SECONDS = 366 * 86_400
MAX_NOTIFICATIONS = 1_000
MAX_TOKENS = 10**9
MAX_PRICE = 1_000_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def check_registration(
    raw: Any, catalogue: FacetCatalogue, vocabulary: Vocabulary | None = None, *, builtin: bool = False
) -> Capability:
    """Return the capability that a body registers.

    A record as the registry shows it may be sent back: what the registry added is read past. Raises InvalidInputError
    with every problem, InvalidConditionError when condition texts are all that is wrong.
    """
    problems: list[Problem] = []
    reader = ObjectReader.of(_without_record(raw), "", problems)
    if reader is None:
        raise InvalidInputError(problems)
    values = {**_read_identity(reader), **_read_character(reader), **_read_service(reader)}
    optional = read_names(reader, "optionalInputFacets", catalogue)
    inputs = read_input_contract(reader, catalogue, optional)
    outputs = read_output_contract(reader, catalogue)
    supported = read_supported(reader, catalogue)
    vocabulary = vocabulary or Vocabulary.of(catalogue.schemas() if "postConditions" in reader.raw else {})
    conditions = _read_conditions(reader, vocabulary)
    prompt = reader.text("systemPrompt")
    reader.close()
    declared = dict.fromkeys((*inputs.facets, *optional, *outputs.facets))
    if prompt is not None and (missing := unnamed_facets(prompt, declared)):
        reader.report("systemPrompt", f"must name every declared facet; it lacks {', '.join(missing)}", "facet_unnamed")
    if problems:
        raise _refusal(problems)
    required = tuple(name for name in inputs.facets if name not in optional)
    return Capability(
        **values,
        input_facets=required,
        optional_input_facets=optional,
        output_facets=outputs.facets,
        input_contract=inputs.stored,
        output_contract=outputs.stored,
        input_schema=inputs.schema,
        output_schema=outputs.schema,
        provenance={
            "input": [entry.as_json() for entry in inputs.provenance],
            "output": [entry.as_json() for entry in outputs.provenance],
        },
        post_conditions=tuple(condition.as_json() for condition in conditions),
        supported_facets=supported,
        system_prompt=prompt
        or compose_prompt(
            name=values["display_name"],
            summary=values["summary"],
            template=(values["instruction_templates"] or {}).get("app"),
            inputs=required,
            optional=optional,
            outputs=outputs.facets,
            output_schema=outputs.schema,
            catalogue=catalogue,
        ),
        builtin=builtin,
    )


def _without_record(raw: Any) -> Any:
    """Return a record as the registration it came from; a body with only some of a record's keys is none."""
    if not isinstance(raw, dict) or not RECORD_ONLY.issubset(raw):
        return raw
    return {key: value for key, value in raw.items() if key not in RECORD_ONLY and key not in RECORD_MOMENTS}


def _refusal(problems: list[Problem]) -> InvalidInputError:
    only_conditions = all(isinstance(problem, ConditionProblem) for problem in problems)
    return InvalidConditionError(problems) if only_conditions else InvalidInputError(problems)


def _read_identity(reader: ObjectReader) -> dict[str, Any]:
    return {
        "capability_id": _read_id(reader),
        "version": reader.text("version", required=True),
        "display_name": reader.text("displayName", required=True),
        "summary": reader.text("summary", required=True),
        "kind": reader.choice("kind", KINDS, required=True),
        "agent_type": reader.choice("agentType", AGENT_TYPES) or "ai",
    }


def _read_id(reader: ObjectReader) -> str | None:
    capability_id = reader.text("capabilityId", required=True)
    if capability_id is None:
        return None
    if not _ID.fullmatch(capability_id):
        reader.report(
            "capabilityId", "must start with a letter or digit and hold letters, digits, . _ : or - (128 at most)"
        )
    elif builtin_spellings().get(capability_id.lower(), capability_id) != capability_id:
        theirs = builtin_spellings()[capability_id.lower()]
        reader.report("capabilityId", f"differs only in case from the built-in {theirs}; choose another name")
    return capability_id


def _read_character(reader: ObjectReader) -> dict[str, Any]:
    """Read what selection and prompts go by: traits, cost, models, templates, tools, metadata."""
    metadata = reader.free("metadata") or {}
    if recognised := ObjectReader.of(metadata, "/metadata", reader.problems):
        _read_within(recognised, "timeoutSeconds", above=0, most=MAX_ATTEMPT_SECONDS)
    policy = metadata.get("postConditionPolicy")
    if policy is not None and (inner := ObjectReader.of(policy, "/metadata/postConditionPolicy", reader.problems)):
        inner.integer("maxRetries", 0)
    return {
        "input_traits": _read_traits(reader),
        "cost": _read_cost(reader),
        "preferred_models": reader.texts("preferredModels") or (),
        "instruction_templates": _read_templates(reader),
        "tools_allowlist": reader.texts("toolsAllowlist") or (),
        "metadata": {key: value for key, value in metadata.items() if key not in DERIVED_METADATA},
    }


def _read_within(reader: ObjectReader, key: str, *, above: float, most: float) -> None:
    value = reader.number(key, above=above)
    if value is not None and value > most:
        reader.report(key, f"must be at most {most:g}", "range")


def _read_traits(reader: ObjectReader) -> dict[str, Any] | None:
    traits = reader.child("inputTraits")
    if traits is None:
        return None
    for name in TRAITS:
        traits.texts(name)
    traits.close()
    return traits.raw


def _read_cost(reader: ObjectReader) -> dict[str, Any] | None:
    cost = reader.child("cost")
    if cost is None:
        return None
    cost.text("tier")
    cost.text("currency")
    cost.integer("estimatedTokens", 0, MAX_TOKENS)
    price = cost.number("pricePer1kTokens")
    if price is not None and not 0 <= price <= MAX_PRICE:
        cost.report("pricePer1kTokens", f"must be 0 to {MAX_PRICE}", "range")
    cost.close()
    return cost.raw


def _read_templates(reader: ObjectReader) -> dict[str, str] | None:
    templates = reader.child("instructionTemplates")
    if templates is None:
        return None
    templates.text("app", required=True)
    for name in templates.raw:
        if name != "app":
            templates.text(name)
    return templates.raw


def _read_service(reader: ObjectReader) -> dict[str, Any]:
    """Read how the capability is reached and kept alive: heartbeat, endpoint, or the people who do it."""
    human = reader.raw.get("agentType") == "human"
    if human:
        reader.require("assignmentDefaults", "who does the work: at least a role")
    endpoint = _read_endpoint(reader)
    if human and endpoint is not None:
        reader.report("endpoint", "people are reached through tasks: leave the endpoint out, or register an ai agent")
    return {
        "heartbeat": _read_heartbeat(reader),
        "endpoint": endpoint,
        "assignment_defaults": _read_assignment(reader),
    }


def _read_heartbeat(reader: ObjectReader) -> dict[str, Any] | None:
    beat = reader.child("heartbeat")
    if beat is None:
        return None
    beat.integer("intervalSeconds", 1, MAX_WAIT_SECONDS, required=True)
    beat.integer("timeoutSeconds", 1, MAX_WAIT_SECONDS)
    beat.close()
    return beat.raw


def _read_assignment(reader: ObjectReader) -> dict[str, Any] | None:
    defaults = reader.child("assignmentDefaults")
    if defaults is None:
        return None
    defaults.text("role", required=True)
    defaults.text("assignedTo")
    defaults.text("instructions")
    defaults.texts("notifyChannels")
    defaults.integer("maxNotifications", 1, MAX_NOTIFICATIONS)
    defaults.integer("timeoutSeconds", 1, MAX_WAIT_SECONDS)
    defaults.choice("onDecline", ON_DECLINE)
    defaults.choice("priority", PRIORITIES)
    return defaults.raw


def _read_endpoint(reader: ObjectReader) -> dict[str, Any] | None:
    """Read the address of a remote agent; whether it may be called is the egress check's to say."""
    endpoint = reader.child("endpoint")
    if endpoint is None:
        return None
    url = endpoint.text("url", required=True)
    if url is not None and (fault := _fault_of_url(url)):
        endpoint.report("url", fault)
    secret = endpoint.text("secret")
    if secret is not None and not _is_secret(secret):
        endpoint.report("secret", "must be a Standard Webhooks secret: whsec_ followed by base64")
    endpoint.close()
    return endpoint.raw


def _fault_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        named, port_known = bool(parts.hostname), parts.port is None or parts.port > 0
    except ValueError:
        named, port_known = False, False
    if len(url) > MAX_URL or not named or not port_known or not url.isascii() or any(c <= " " for c in url):
        return f"must be a complete http or https address of at most {MAX_URL} ASCII characters"
    if parts.scheme not in {"http", "https"}:
        return "must be an http or https address"
    if "@" in parts.netloc or parts.fragment:
        return "must hold neither a user name nor a fragment; use `secret` to sign the calls"
    return None


def _is_secret(text: str) -> bool:
    try:
        return text.startswith(SIGNING_PREFIX) and bool(base64.b64decode(text[len(SIGNING_PREFIX) :], validate=True))
    except (binascii.Error, ValueError):
        return False


def _read_conditions(reader: ObjectReader, vocabulary: Vocabulary) -> tuple[FacetCondition, ...]:
    conditions = check_facet_conditions(reader, "postConditions", vocabulary=vocabulary)
    seen: set[tuple[str, str]] = set()
    raw = reader.raw.get("postConditions")
    for index, entry in enumerate(raw if isinstance(raw, list) else ()):
        if not isinstance(entry, dict):
            continue
        facet, path = entry.get("facet"), entry.get("path")
        if not isinstance(facet, str) or not isinstance(path, str):
            continue
        if (facet, path) in seen:
            message = f"`{facet}` at `{path}` has a condition already: join the two with &&"
            reader.problems.append(Problem(pointer("postConditions", index), message, "duplicate"))
        seen.add((facet, path))
    return conditions
