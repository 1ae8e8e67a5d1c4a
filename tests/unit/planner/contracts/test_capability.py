"""Capabilities as records: what is shown, what expires, and what a snapshot answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from planner.contracts.capabilities import (
    Capability,
    RegistrySnapshot,
    builtin_registrations,
    check_registration,
    expired,
)
from planner.contracts.facets import load_catalogue

CATALOGUE = load_catalogue()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRITER = replace(
    check_registration(
        next(raw for raw in builtin_registrations() if raw["capabilityId"].endswith("linkedinVariants")), CATALOGUE
    ),
    registered_at=NOW,
)


def test_a_record_shows_everything_but_the_secret():
    remote = replace(WRITER, endpoint={"url": "https://a.nl/run", "secret": "whsec_c2VjcmV0"}, last_seen_at=NOW)
    record = remote.as_json()
    assert record["endpoint"] == {"url": "https://a.nl/run", "secret": "[redacted]"}
    assert record["status"] == "active"
    assert record["systemPrompt"] == WRITER.system_prompt
    assert record["inputFacets"] == ["writerBrief"]
    assert "feedback" in record["optionalInputFacets"]
    assert record["registeredAt"] == record["lastSeenAt"] == "2026-01-01T00:00:00+00:00"
    assert "c2VjcmV0" not in str(record)
    assert Capability.from_json(record, endpoint_secret="whsec_c2VjcmV0") == remote
    assert Capability.from_json(record).endpoint == {"url": "https://a.nl/run"}


def test_silence_expires_a_capability_only_after_its_time_out():
    beat = replace(WRITER, heartbeat={"intervalSeconds": 10, "timeoutSeconds": 25}, last_seen_at=NOW)
    assert not expired(beat, NOW + timedelta(seconds=25))
    assert expired(beat, NOW + timedelta(seconds=25, microseconds=1))


def test_without_a_time_out_three_intervals_count_from_the_last_sign_of_life():
    beat = replace(WRITER, heartbeat={"intervalSeconds": 10})
    assert not expired(beat, NOW + timedelta(seconds=30))
    assert expired(beat, NOW + timedelta(seconds=31))
    assert not expired(replace(beat, last_seen_at=NOW + timedelta(seconds=20)), NOW + timedelta(seconds=31))


def test_without_a_heartbeat_nothing_expires():
    assert not expired(replace(WRITER, heartbeat=None), NOW + timedelta(days=9999))


def test_a_snapshot_knows_who_is_active_and_who_makes_what():
    gone = replace(WRITER, capability_id="gone", status="inactive")
    snapshot = RegistrySnapshot((WRITER, gone))
    assert snapshot.active() == (WRITER,)
    assert snapshot.producers("copyVariants") == (WRITER,)
    assert snapshot.producers("post") == ()
    assert snapshot.get("gone") is gone
    assert snapshot.get("nobody") is None


def test_the_digest_follows_what_matters_to_plans_and_not_the_clock_or_the_order():
    other = replace(WRITER, capability_id="other")
    digest = RegistrySnapshot((WRITER, other)).digest
    assert RegistrySnapshot((other, replace(WRITER, last_seen_at=NOW))).digest == digest
    assert RegistrySnapshot((WRITER, replace(other, status="inactive"))).digest != digest
