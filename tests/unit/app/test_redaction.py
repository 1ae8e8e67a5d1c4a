"""Readers of a run see everything but secrets."""

from __future__ import annotations

import pytest

from app.api.redaction import REDACTED, redact


@pytest.mark.parametrize(
    "key",
    ["token", "accessToken", "SECRET", "apiKey", "api_key", "Authorization", "dbPassword", "bearer", "credentials"],
)
def test_values_under_keys_that_name_secrets_are_hidden_at_any_depth(key: str) -> None:
    # Given a secret inside lists and objects
    document = {"inputs": [{key: "s3cret", "kept": 1}], key: {"nested": "s3cret"}}
    # Then it is gone and the rest stays
    assert redact(document) == {"inputs": [{key: REDACTED, "kept": 1}], key: REDACTED}


def test_counts_of_tokens_are_no_secrets() -> None:
    usage = {"promptTokens": 12, "completionTokens": 3, "maxTokens": 0.5}
    assert redact(usage) == usage


def test_the_original_is_left_alone() -> None:
    document = {"token": "s3cret"}
    redact(document)
    assert document == {"token": "s3cret"}
