"""The built-in capabilities, registered through the same checks as everybody else's."""

from __future__ import annotations

from dataclasses import replace

from models.catalogue import catalogue
from models.settings import get_settings
from models.unit_of_work import UnitOfWork, open_unit
from planner.contracts.capabilities import Capability, builtin_registrations, check_registration


def builtin_capabilities() -> tuple[Capability, ...]:
    """Return the built-in capabilities that the settings ask for, checked against the catalogue."""
    settings = get_settings()
    checked = (check_registration(registration, catalogue()) for registration in builtin_registrations())
    return tuple(replace(c, builtin=True) for c in checked if settings.wants_builtin(c.capability_id))


def register_builtins() -> int:
    """Register the built-in capabilities in the database of the settings, as `store_builtins` does."""
    with open_unit(None) as unit:
        return store_builtins(unit)


def store_builtins(unit: UnitOfWork) -> int:
    """Register the built-in capabilities that the settings ask for and retire the others; return how many there are."""
    wanted = builtin_capabilities()
    for capability in wanted:
        unit.capabilities.register(capability)
    unit.capabilities.retire_builtins({capability.capability_id for capability in wanted})
    return len(wanted)
