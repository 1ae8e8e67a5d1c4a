"""The doorway to capabilities: the record, the registry's snapshot, the rules of registration, the built-in ones."""

from __future__ import annotations

from planner.contracts.builtins import builtin_registrations as builtin_registrations
from planner.contracts.capability import AGENT_TYPES as AGENT_TYPES
from planner.contracts.capability import KINDS as KINDS
from planner.contracts.capability import Capability as Capability
from planner.contracts.capability import RegistrySnapshot as RegistrySnapshot
from planner.contracts.capability import expired as expired
from planner.contracts.registration import check_registration as check_registration
