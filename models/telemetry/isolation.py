"""Telling an observer something, so that its fault stays its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

logger = structlog.get_logger("flex")


def tell(observer: Callable[..., None], *told: Any) -> None:
    """Call the observer; never raises, and notes an observer that did."""
    try:
        observer(*told)
    except Exception as error:  # noqa: BLE001 - the transaction stands; its observers may not undo what follows it
        with suppress(Exception):
            logger.error(  # noqa: TRY400 - the error's text may hold contents
                "flex_telemetry_process_error", observer=observer.__name__, error=type(error).__name__
            )
