"""The built-in capabilities, registered by every web process when it starts, as soon as that is possible."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from models.builtins import register_builtins
from models.errors import DatabaseUnavailableError

RETRY_SECONDS = 2.0

logger = structlog.get_logger(__name__)


def keep_registering(*, pause: Callable[[float], None] = time.sleep) -> None:
    """Register the built-in capabilities as soon as there is a database with tables to hold them."""
    while True:
        try:
            count = register_builtins()
        except DatabaseUnavailableError:
            pause(RETRY_SECONDS)
        except Exception:
            # Tables that are not there yet come with `flex db upgrade`; until then /readyz says what is missing.
            logger.warning("builtin_capabilities_not_registered", exc_info=True)
            pause(RETRY_SECONDS)
        else:
            logger.info("builtin_capabilities_registered", count=count)
            return
