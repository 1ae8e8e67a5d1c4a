"""The built-in capabilities, registered through the same checks and the same door as everybody else's."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from models.catalogue import catalogue
from models.errors import DatabaseUnavailableError
from models.settings import Settings
from models.unit_of_work import open_unit
from planner.contracts.capabilities import builtin_registrations, check_registration

RETRY_SECONDS = 2.0

logger = structlog.get_logger(__name__)


def register_builtins(settings: Settings) -> list[str]:
    """Register the built-in capabilities that the settings want, retire the others; return the ids registered.

    Raises DatabaseUnavailableError.
    """
    wanted = [
        check_registration(body, catalogue(), builtin=True)
        for body in builtin_registrations()
        if settings.wants_builtin(body["capabilityId"])
    ]
    with open_unit(tenant=None) as unit:
        for capability in wanted:
            unit.capabilities.register(capability)
        unit.capabilities.retire_builtins({capability.capability_id for capability in wanted})
    return [capability.capability_id for capability in wanted]


def keep_registering(settings: Settings, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Register the built-in capabilities as soon as there is a database with tables to hold them."""
    while True:
        try:
            names = register_builtins(settings)
        except DatabaseUnavailableError:
            pause(RETRY_SECONDS)
        except Exception:
            # Tables that are not there yet come with `flex db upgrade`; until then /readyz says what is missing.
            logger.warning("builtin_capabilities_not_registered", exc_info=True)
            pause(RETRY_SECONDS)
        else:
            logger.info("builtin_capabilities_registered", count=len(names))
            return
