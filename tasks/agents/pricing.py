"""What a call cost: tokens times the price that the capability was registered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.agents.base import Usage


def priced(prompt_tokens: int, completion_tokens: int, cost: Mapping[str, Any] | None) -> Usage:
    """Return the usage with its cost, in the currency of `cost`; without `pricePer1kTokens` it cost nothing."""
    price = (cost or {}).get("pricePer1kTokens") or 0
    return Usage(prompt_tokens, completion_tokens, (prompt_tokens + completion_tokens) * float(price) / 1000)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a model would count in `text`: four characters each, at least one if any."""
    return (len(text) + 3) // 4
