"""The rules of a capability registration: every problem at its pointer, all of them at once.

Phases: the plain members, the two contracts (facets compiled to schemas), then what only the whole can tell: a system
prompt that names every facet, people who need assignment defaults, conditions on facets.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from planner.contracts.capability import AGENT_TYPES, DERIVED_METADATA, KINDS, Capability
from planner.contracts.compiler import CompiledContract, FacetConflictError, Provenance, compile_contract
from planner.contracts.facet_names import FacetRef, check_names
from planner.contracts.facets import Direction, FacetCatalogue
from planner.contracts.output_contract import OutputContract, check_output_contract
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
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class _Contract:
    """One direction of a registration: what is stored, the schema, and the facets behind it."""

    stored: dict[str, Any] | None = None
    schema: dict[str, Any] = field(default_factory=dict)
    provenance: tuple[Provenance, ...] = ()

    @property
    def facets(self) -> tuple[str, ...]:
        return tuple(entry.facet for entry in self.provenance)


def check_registration(
    raw: Any, catalogue: FacetCatalogue, vocabulary: Vocabulary | None = None, *, builtin: bool = False
) -> Capability:
    """Return the capability that a body registers.

    Raises InvalidInputError with every problem, InvalidConditionError when condition texts are all that is wrong.
    """
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    if reader is None:
        raise InvalidInputError(problems)
    values = {**_read_identity(reader), **_read_character(reader), **_read_service(reader)}
    optional = _read_names(reader, "optionalInputFacets", catalogue)
    inputs = _read_input_contract(reader, catalogue, optional)
    outputs = _read_output_contract(reader, catalogue)
    supported = _read_supported(reader, catalogue)
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


def _refusal(problems: list[Problem]) -> InvalidInputError:
    only_conditions = all(isinstance(problem, ConditionProblem) for problem in problems)
    return InvalidConditionError(problems) if only_conditions else InvalidInputError(problems)


def _read_identity(reader: ObjectReader) -> dict[str, Any]:
    capability_id = reader.text("capabilityId", required=True)
    if capability_id is not None and not _ID.fullmatch(capability_id):
        reader.report(
            "capabilityId", "must start with a letter or digit and hold letters, digits, . _ : or - (128 at most)"
        )
    return {
        "capability_id": capability_id,
        "version": reader.text("version", required=True),
        "display_name": reader.text("displayName", required=True),
        "summary": reader.text("summary", required=True),
        "kind": reader.choice("kind", KINDS, required=True),
        "agent_type": reader.choice("agentType", AGENT_TYPES) or "ai",
    }


def _read_character(reader: ObjectReader) -> dict[str, Any]:
    """Read what selection and prompts go by: traits, cost, models, templates, tools, metadata."""
    metadata = reader.free("metadata") or {}
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
    cost.integer("estimatedTokens", 0)
    price = cost.number("pricePer1kTokens")
    if price is not None and price < 0:
        cost.report("pricePer1kTokens", "must be at least 0", "range")
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
    beat.integer("intervalSeconds", 1, required=True)
    beat.integer("timeoutSeconds", 1)
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
    defaults.integer("maxNotifications", 1)
    defaults.integer("timeoutSeconds", 1)
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
        return bool(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False


def _read_names(
    reader: ObjectReader, key: str, catalogue: FacetCatalogue, direction: Direction = "input"
) -> tuple[str, ...]:
    refs = [FacetRef(name, at) for name, at in reader.items(key)]
    return check_names(refs, catalogue, direction, reader.problems)


def _read_supported(reader: ObjectReader, catalogue: FacetCatalogue) -> tuple[str, ...]:
    """Read the further facets a capability can deal with, in whatever direction each of them goes."""
    found: list[str] = []
    for name, at in reader.items("supportedFacets"):
        facet = catalogue.try_get(name) if isinstance(name, str) else None
        direction: Direction = "output" if facet and facet.direction == "output" else "input"
        if name in found:
            reader.problems.append(Problem(at, f"`{name}` stands in this list twice: name it once", "duplicate"))
        else:
            found += check_names([FacetRef(name, at)], catalogue, direction, reader.problems)
    return tuple(found)


def _read_input_contract(reader: ObjectReader, catalogue: FacetCatalogue, optional: tuple[str, ...]) -> _Contract:
    if not reader.has("inputContract"):
        return _compile(reader, "optionalInputFacets", catalogue, (), "input", optional) if optional else _Contract()
    found = _read_contract(reader, "inputContract", catalogue, "input", optional)
    names = reader.raw.get("optionalInputFacets")
    if found.stored and reader.raw["inputContract"].get("mode") != "facets" and isinstance(names, list):
        for index, name in enumerate(names):
            if name in optional and name not in found.facets:
                at = pointer("optionalInputFacets", index)
                message = "must also stand in inputContract.hints.facets, which tells where the schema holds it"
                reader.problems.append(Problem(at, message))
    return found


def _read_output_contract(reader: ObjectReader, catalogue: FacetCatalogue) -> _Contract:
    if not reader.require("outputContract", "what the capability returns"):
        return _Contract()
    return _read_contract(reader, "outputContract", catalogue, "output", ())


def _read_contract(
    reader: ObjectReader, key: str, catalogue: FacetCatalogue, direction: Direction, optional: tuple[str, ...]
) -> _Contract:
    contract, problems = check_output_contract(reader.raw[key], reader.place(key), catalogue, direction=direction)
    reader.problems.extend(problems)
    if contract is None:
        return _Contract()
    if contract.mode == "facets":
        return _compile(reader, key, catalogue, contract.facets, direction, optional)
    if contract.mode == "freeform":
        return _Contract(contract.as_json())
    return _adopt(reader, reader.place(key), contract, catalogue, direction)


def _compile(
    reader: ObjectReader,
    key: str,
    catalogue: FacetCatalogue,
    names: tuple[str, ...],
    direction: Direction,
    optional: tuple[str, ...],
) -> _Contract:
    try:
        compiled: CompiledContract = compile_contract(catalogue, names, direction, optional=optional)
    except FacetConflictError as error:
        reader.report(key, error.message, "facet_conflict")
        return _Contract()
    stored = OutputContract("json_schema", compiled.schema, hints=_hints(compiled.provenance))
    return _Contract(stored.as_json(), compiled.schema, compiled.provenance)


def _adopt(
    reader: ObjectReader, at: str, contract: OutputContract, catalogue: FacetCatalogue, direction: Direction
) -> _Contract:
    """Take a schema as it stands; `hints.facets`, names or provenance, tell which facets it holds."""
    schema = contract.schema or {}
    hinted = contract.hints.get("facets", [])
    if not isinstance(hinted, list):
        reader.problems.append(Problem(at + "/hints/facets", "must be an array of facet names or provenance", "type"))
        return _Contract()
    refs = [
        FacetRef(entry.get("facet"), f"{at}/hints/facets/{index}/facet")
        if isinstance(entry, dict)
        else FacetRef(entry, f"{at}/hints/facets/{index}")
        for index, entry in enumerate(hinted)
    ]
    names = check_names(refs, catalogue, direction, reader.problems)
    facets = catalogue.resolve(names, direction)
    for facet, ref in zip(facets, (ref for ref in refs if ref.name in names), strict=False):
        if facet.property_key not in schema.get("properties", {}) and schema.get("additionalProperties") is False:
            message = f"the schema leaves no room for `{facet.property_key}`, where this facet stands"
            reader.problems.append(Problem(ref.at, message))
    provenance = tuple(Provenance(f.name, f.title, direction, pointer(f.property_key)) for f in facets)
    hints = {**contract.hints, **_hints(provenance)} if provenance else contract.hints
    stored = OutputContract(
        "json_schema", schema, example=contract.example, hints=hints, constraints=contract.constraints
    )
    return _Contract(stored.as_json(), schema, provenance)


def _hints(provenance: tuple[Provenance, ...]) -> dict[str, Any]:
    return {"facets": [entry.as_json() for entry in provenance]}


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
