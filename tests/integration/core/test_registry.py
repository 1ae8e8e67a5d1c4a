"""The registry: kept alive by heartbeats, seen as one snapshot; built-in ones are everybody's and stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.builtins import builtin_capabilities, register_builtins
from models.catalogue import catalogue
from models.errors import BuiltinCapabilityError, CapabilityNotFoundError
from models.settings import get_settings
from models.unit_of_work import open_unit
from planner.contracts.capabilities import Capability, builtin_registrations, check_registration
from tests.integration.core import moves
from tests.support.envelopes import writer_registration
from tests.support.loop import age_capability

pytestmark = pytest.mark.usefixtures("database")
WRITER = "yard.writer"
BUILTIN = "ContentGeneratorAgent.linkedinVariants"


def register(tenant: str = "default", **members: Any) -> Capability:
    with open_unit(tenant) as unit:
        return unit.capabilities.register(check_registration(writer_registration(**members), catalogue()))


def active(tenant: str = "default", *, fresh: bool = False) -> set[str]:
    with open_unit(tenant) as unit:
        return {c.capability_id for c in unit.capabilities.snapshot(fresh=fresh).active()}


def get(capability_id: str = WRITER, tenant: str = "default") -> Capability:
    with open_unit(tenant) as unit:
        return unit.capabilities.get(capability_id)


def test_a_registration_is_active_and_comes_back_as_it_was() -> None:
    made = register(heartbeat={"intervalSeconds": 30})
    assert (made.status, made.builtin) == ("active", False)
    assert made.registered_at is not None
    assert get() == made
    assert active() == {WRITER}


def test_what_is_exported_registers_again_unchanged() -> None:
    register_builtins()
    register(heartbeat={"intervalSeconds": 30}, cost={"tier": "low"})
    with open_unit() as unit:
        everything = unit.capabilities.snapshot(fresh=True).capabilities
    assert len(everything) == len(builtin_registrations()) + 1
    for stored in everything:
        again = check_registration(stored.registration(), catalogue())
        shown = {"status", "builtin", "registeredAt", "lastSeenAt"}
        left, right = stored.as_json(), again.as_json()
        assert {k: v for k, v in left.items() if k not in shown} == {k: v for k, v in right.items() if k not in shown}


def test_a_second_registration_takes_the_place_of_the_first() -> None:
    first = register()
    second = register(version="2.0.0")
    assert (second.version, len(active())) == ("2.0.0", 1)
    assert second.registered_at == first.registered_at


def test_a_capability_without_heartbeat_never_expires() -> None:
    register()
    age_capability(WRITER, 10**7)
    assert active() == {WRITER}


def test_a_silent_capability_is_inactive_until_it_is_heard_again() -> None:
    # Given a capability that promised a sign of life every thirty seconds
    register(heartbeat={"intervalSeconds": 30})
    age_capability(WRITER, 85)
    assert active() == {WRITER}
    # When three of them are missing
    age_capability(WRITER, 10)
    # Then it is inactive at once, and written down as such by the next sweep, once
    assert active() == set()
    assert get().status == "inactive"
    for expected in ([WRITER], []):
        with open_unit(None) as unit:
            assert unit.capabilities.expire() == expected
    # And a heartbeat brings it back
    with open_unit() as unit:
        assert unit.capabilities.heartbeat(WRITER).status == "active"
    assert active() == {WRITER}


def test_a_late_heartbeat_does_not_bring_back_what_was_deregistered() -> None:
    register(heartbeat={"intervalSeconds": 30})
    with open_unit() as unit:
        unit.capabilities.deactivate(WRITER)
    with open_unit() as unit, pytest.raises(CapabilityNotFoundError):
        unit.capabilities.heartbeat(WRITER)
    with open_unit() as unit:
        assert unit.capabilities.get(WRITER).status == "inactive"
    # And registering again does
    assert register(heartbeat={"intervalSeconds": 30}).status == "active"
    with open_unit() as unit:
        assert unit.capabilities.heartbeat(WRITER).status == "active"


def test_a_heartbeat_keeps_a_capability_alive() -> None:
    register(heartbeat={"intervalSeconds": 30, "timeoutSeconds": 40})
    for _ in range(3):
        age_capability(WRITER, 35)
        with open_unit() as unit:
            unit.capabilities.heartbeat(WRITER)
    assert active() == {WRITER}
    age_capability(WRITER, 45)
    assert active() == set()


def test_a_heartbeat_that_arrives_while_it_expires_wins() -> None:
    register(heartbeat={"intervalSeconds": 1})
    age_capability(WRITER, 60)
    with open_unit(None) as sweeping:
        with open_unit() as unit:
            unit.capabilities.heartbeat(WRITER)
        assert sweeping.capabilities.expire() == []
    assert get().status == "active"


def test_a_deregistered_capability_stays_on_record_and_is_not_chosen() -> None:
    register()
    with open_unit() as unit:
        assert unit.capabilities.deactivate(WRITER).status == "inactive"
    assert (active(), get().status) == (set(), "inactive")
    assert register().status == "active"


@pytest.mark.parametrize("act", ["get", "heartbeat", "deactivate"])
def test_an_unknown_capability_is_not_found(act: str) -> None:
    with pytest.raises(CapabilityNotFoundError), open_unit() as unit:
        getattr(unit.capabilities, act)("nobody")


def test_two_tenants_may_use_one_name() -> None:
    register("yard-a", version="1.0.0")
    register("yard-b", version="2.0.0")
    assert (get(tenant="yard-a").version, get(tenant="yard-b").version) == ("1.0.0", "2.0.0")
    with open_unit("yard-a") as unit:
        unit.capabilities.deactivate(WRITER)
    assert (active("yard-a"), active("yard-b")) == (set(), {WRITER})


def test_built_in_capabilities_are_there_for_every_tenant_and_survive_silence() -> None:
    count = register_builtins()
    names = {c.capability_id for c in builtin_capabilities()}
    assert count == len(names)
    assert names == active("yard-a") == active("yard-b")
    assert register_builtins() == count
    age_capability(BUILTIN, 10**6)
    with open_unit(None) as unit:
        assert unit.capabilities.refresh_builtins() == count
        assert unit.capabilities.expire() == []
    assert names == active("yard-a", fresh=True)


def test_a_built_in_capability_cannot_be_shadowed_or_taken_away() -> None:
    register_builtins()
    with pytest.raises(BuiltinCapabilityError):
        register(capabilityId=BUILTIN)
    with pytest.raises(BuiltinCapabilityError), open_unit() as unit:
        unit.capabilities.deactivate(BUILTIN)
    assert BUILTIN in active()


def test_settings_say_which_built_in_capabilities_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    register_builtins()
    monkeypatch.setenv("FLEX_BUILTIN_CAPABILITIES", BUILTIN)
    get_settings.cache_clear()
    assert register_builtins() == 1
    assert active() == {BUILTIN}


def test_a_built_in_capability_that_comes_later_takes_the_place_of_a_tenants_own() -> None:
    # Given a tenant that registered a name before there was a built-in capability of it
    own = register(capabilityId=BUILTIN)
    assert not own.builtin
    # When the built-in ones are switched on
    register_builtins()
    # Then there is one of the name, and it is the built-in one
    assert get(BUILTIN).builtin
    with open_unit() as unit:
        found = [c for c in unit.capabilities.snapshot(fresh=True).capabilities if c.capability_id == BUILTIN]
    assert [c.builtin for c in found] == [True]


def test_a_snapshot_is_kept_for_a_moment_and_renewed_by_a_registration() -> None:
    register()
    assert active() == {WRITER}
    moves.statement("UPDATE flex_capabilities SET status = 'inactive'")
    assert active() == {WRITER}
    assert active(fresh=True) == set()
    register(capabilityId="yard.second")
    assert active() == {"yard.second"}


def test_a_secret_is_kept_apart_from_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(
        check_registration(writer_registration(), catalogue()),
        endpoint={"url": "http://a.example", "secret": "whsec_x"},
    )
    with open_unit() as unit:
        unit.capabilities.register(made)
    assert get().endpoint == {"url": "http://a.example", "secret": "whsec_x"}
    ((record,),) = moves.statement("SELECT record::text FROM flex_capabilities")
    assert "whsec_x" not in record
