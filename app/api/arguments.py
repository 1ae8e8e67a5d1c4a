"""Query arguments of the routes that read lists and streams."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields, validate

from models.events.frames import FrameType
from planner.progress.state import RUN_STATUSES

FRAME_TYPES: tuple[str, ...] = get_args(FrameType)
MAX_PAGE = 200
MAX_FRAMES = 1000
MAX_SEQ = 2**53


def check_types(text: str) -> None:
    """Refuse names that no frame has."""
    unknown = [name for name in split_types(text) if name not in FRAME_TYPES]
    if unknown:
        raise ValidationError(f"{', '.join(unknown)}: no such type of frame; known are {', '.join(FRAME_TYPES)}.")


def split_types(text: str | None) -> list[str]:
    """Return the names in a comma-separated list."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


class Moment(fields.AwareDateTime):
    """A moment with its offset, handed on in UTC: the database knows fewer offsets than the notation."""

    def __init__(self) -> None:
        super().__init__(format="iso")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        found = super()._deserialize(value, attr, data, **kwargs)
        try:
            return found.astimezone(UTC)
        except OverflowError as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error


class RunsQuery(Schema):
    """Which runs, newest first."""

    status = fields.String(validate=validate.OneOf(RUN_STATUSES))
    q = fields.String(validate=validate.Length(1, 200))
    client = fields.String(validate=validate.Length(1, 200))
    since = Moment()
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    cursor = fields.String(validate=validate.Length(1, 500))


class EventsQuery(Schema):
    """Which frames of a run: those behind `after`, of these types."""

    after = fields.Integer(validate=validate.Range(0, MAX_SEQ))
    types = fields.String(validate=[validate.Length(1, 1000), check_types])
    limit = fields.Integer(load_default=500, validate=validate.Range(1, MAX_FRAMES))


class AuditQuery(Schema):
    """Which rows of the audit, newest first."""

    operation = fields.String(validate=validate.Length(1, 100))
    target = fields.String(validate=validate.Length(1, 300))
    since = Moment()
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    cursor = fields.String(validate=validate.Length(1, 500))


class CapabilitiesQuery(Schema):
    """Which capabilities."""

    status = fields.String(validate=validate.OneOf(("active", "inactive")))
    kind = fields.String(validate=validate.Length(1, 100))


class FacetsQuery(Schema):
    """Which facets."""

    direction = fields.String(validate=validate.OneOf(("input", "output", "bidirectional")))
    tag = fields.String(validate=validate.Length(1, 100))


class ResumeHeaders(Schema):
    """Where a reconnecting browser goes on."""

    last_event_id = fields.Integer(data_key="Last-Event-ID", validate=validate.Range(0, MAX_SEQ))


class PreferHeaders(Schema):
    """How long a caller is ready to wait for the result: `wait=30`."""

    prefer = fields.String(data_key="Prefer")
