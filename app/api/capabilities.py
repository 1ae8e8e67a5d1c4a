"""The registry: capabilities come, say that they are alive, and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.arguments import CapabilitiesQuery
from app.api.decisions import read_heartbeat
from app.api.operations import json_reply, operation
from app.aside import run_aside
from app.auth import tenant
from app.body import read_json
from app.extensions import services
from app.mutation import Done, carry_out
from app.registration import check_callable
from models.unit_of_work import UnitOfWork, open_unit

blueprint = Blueprint(
    "capabilities", __name__, url_prefix="/api/v1/flex/capabilities", description="Who can do what, right now"
)

RECORD = json_reply("The capability as registered", "CapabilityRecord")


@operation(
    blueprint,
    "POST",
    "/register",
    name="registerCapability",
    replies={200: json_reply("The capability, and who is active now", "CapabilityRegistered")},
    problems=(409,),
    body="CapabilityRegistration",
    idempotent=True,
)
def register_capability() -> Response:
    """Register a capability, for the first time or again; every problem of the registration is reported at once."""
    raw, catalogue, hosts = read_json(), services().catalogue, services().settings.agent_hosts
    capability = run_aside(lambda: check_callable(raw, catalogue, hosts))

    def register(unit: UnitOfWork) -> Done:
        stored = unit.capabilities.register(capability)
        ids = [one.capability_id for one in unit.capabilities.snapshot(fresh=True).active()]
        body = {"ok": True, "record": stored.as_json(), "registry": {"active": ids, "count": len(ids)}}
        return Done(body, target=stored.capability_id)

    return carry_out(raw, register).response()


@operation(
    blueprint,
    "GET",
    "",
    name="listCapabilities",
    replies={200: json_reply("The capabilities, by id", "CapabilityPage")},
    query=CapabilitiesQuery,
)
def list_capabilities(query: Mapping[str, Any]) -> Response:
    """List every capability that the caller may use."""
    with open_unit(tenant()) as unit:
        snapshot = unit.capabilities.snapshot(fresh=True)
    records = [
        one.as_json()
        for one in snapshot.capabilities
        if query.get("status", one.status) == one.status and query.get("kind", one.kind) == one.kind
    ]
    return jsonify({"data": records, "nextCursor": None})


@operation(blueprint, "GET", "/<capability_id>", name="getCapability", replies={200: RECORD}, problems=(404,))
def get_capability(capability_id: str) -> Response:
    """Show one capability."""
    with open_unit(tenant()) as unit:
        return jsonify(unit.capabilities.get(capability_id).as_json())


@operation(
    blueprint,
    "PATCH",
    "/<capability_id>",
    name="beatCapability",
    replies={200: RECORD},
    problems=(404,),
    body="CapabilityHeartbeat",
    body_required=False,
)
def beat_capability(capability_id: str) -> Response:
    """Say that a capability is alive; one that had expired is active again."""
    read_heartbeat()

    def beat(unit: UnitOfWork) -> Done:
        return Done(unit.capabilities.heartbeat(capability_id).as_json(), target=capability_id)

    return carry_out(None, beat).response()


@operation(
    blueprint, "DELETE", "/<capability_id>", name="deregisterCapability", replies={200: RECORD}, problems=(404, 409)
)
def deregister_capability(capability_id: str) -> Response:
    """Take a capability out of service; its record stays and a new registration brings it back."""

    def deactivate(unit: UnitOfWork) -> Done:
        return Done(unit.capabilities.deactivate(capability_id).as_json(), target=capability_id)

    return carry_out(None, deactivate).response()
