"""Logs: one structured line per fact, with the run that it belongs to on every line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from models.settings import Settings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library through one formatter to standard error: JSON lines or readable text."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[settings.log_level])
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        cache_logger_on_first_use=True,
    )


def observe_frame(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Write the line of one stored frame: what happened, to which run and node, without its contents."""
    payload = frame.get("payload") or {}
    facts = {
        "run_id": frame["runId"],
        "seq": int(frame["id"]),
        "correlation_id": frame["correlationId"],
        "tenant": tenant_id,
        "plan_version": frame["planVersion"],
        "node_id": frame.get("nodeId"),
        "capability_id": payload.get("capabilityId"),
        "attempt": payload.get("attempt"),
        "duration_ms": payload.get("durationMs"),
        "status": payload.get("status"),
        "reason": payload.get("reason"),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    structlog.get_logger("flex").info(f"flex_{frame['type']}", **known)
