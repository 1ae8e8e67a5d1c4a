"""The HTTP face: one blueprint per noun, each route described where it stands."""

from __future__ import annotations

from flask import Flask, abort, request
from flask_smorest import Api

from app.api import audit, capabilities, components, conditions, docs, events, facets, health, hitl, metrics, plan, runs
from policies.errors import InvalidInputError, Problem, pointer

BLUEPRINTS = (
    runs.blueprint,
    plan.blueprint,
    hitl.blueprint,
    capabilities.blueprint,
    facets.blueprint,
    conditions.blueprint,
    audit.blueprint,
    health.blueprint,
    metrics.blueprint,
    docs.blueprint,
)


def init_app(app: Flask, api: Api) -> None:
    """Register every route and every schema that the OpenAPI document names."""
    app.before_request(refuse_unstorable)
    components.register(api.spec)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    events.init_app(app)
    events.describe(app, api.spec)


def refuse_unstorable() -> None:
    """Refuse NUL in addresses before it reaches the database, which takes it for an error of ours."""
    if any("\x00" in str(value) for value in (request.view_args or {}).values()):
        abort(404)
    wrong = [name for name, value in request.args.items() if "\x00" in name + value]
    if wrong:
        raise InvalidInputError([Problem(pointer(name), "holds a NUL character: remove it") for name in wrong])
