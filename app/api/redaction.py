"""What readers of a run may not see: values under keys that name secrets."""

from __future__ import annotations

from typing import Any

REDACTED = "[redacted]"
SECRET_WORDS = ("token", "secret", "apikey", "api_key", "authorization", "password", "bearer", "credential")


def redact(value: Any) -> Any:
    """Return a copy in which every value under a key that names a secret is `[redacted]`.

    Counts such as `promptTokens: 12` are no secrets and stay.
    """
    if isinstance(value, dict):
        return {key: REDACTED if _hides(key, member) else redact(member) for key, member in value.items()}
    if isinstance(value, list):
        return [redact(member) for member in value]
    return value


def _hides(key: str, member: Any) -> bool:
    lowered = key.lower()
    if not any(word in lowered for word in SECRET_WORDS):
        return False
    return member is not None and not (lowered.endswith("tokens") and isinstance(member, int | float))
