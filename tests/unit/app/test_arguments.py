"""What query arguments become."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from app.api.arguments import AuditQuery, RunsQuery


@pytest.mark.parametrize("schema", [RunsQuery, AuditQuery])
def test_a_moment_of_any_offset_is_handed_on_in_utc(schema: type[RunsQuery | AuditQuery]) -> None:
    # Given an offset that the notation knows and the database does not
    found = schema().load({"since": "2026-04-17T14:08:44+18:14"})

    # Then it is the same moment in the one offset that everybody knows
    assert found["since"] == datetime(2026, 4, 16, 19, 54, 44, tzinfo=UTC)
    assert found["since"].tzinfo is UTC


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00", "x"])
def test_a_moment_that_is_none_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        RunsQuery().load({"since": text})
