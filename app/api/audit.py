"""The audit as admins read it: who changed what, who tried to, from where, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.arguments import AuditQuery
from app.api.operations import json_reply, operation
from app.auth import tenant
from models.unit_of_work import open_unit

blueprint = Blueprint("audit", __name__, url_prefix="/api/v1/flex/audit", description="Who changed what")


@operation(
    blueprint,
    "GET",
    "",
    name="listAudit",
    replies={200: json_reply("Rows of the audit, newest first", "AuditPage")},
    query=AuditQuery,
)
def list_audit(query: Mapping[str, Any]) -> Response:
    """List every mutation of the tenant, carried out or refused."""
    with open_unit(tenant()) as unit:
        page = unit.audit.list(**query)
    return jsonify({"data": page.data, "nextCursor": page.next_cursor})
