"""How long, deep and large a condition may be."""

from __future__ import annotations

from collections.abc import Sequence

from policies.conditions.errors import Fault, FaultError
from policies.conditions.tokens import Token

MAX_BYTES = 4096
MAX_NESTING = 20
MAX_NODES = 500
MAX_QUANTIFIERS = 3

PUNCTUATION = frozenset(("(", ")", ",", "[", "]", "end", "bad"))


def refuse_long(text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_BYTES:
        kept = len(encoded[:MAX_BYTES].decode("utf-8", "ignore"))
        message = f"a condition may hold {MAX_BYTES} bytes, this one has {len(encoded)}"
        raise FaultError(Fault("too_long", message, (min(kept, len(text) - 1), len(text))))


def refuse_large(tokens: Sequence[Token]) -> None:
    """Every literal, name, call and operator is a node; parentheses, brackets and commas are none."""
    nodes = [token for token in tokens if token.kind not in PUNCTUATION]
    if len(nodes) > MAX_NODES:
        message = f"a condition may hold {MAX_NODES} nodes, this one has {len(nodes)}"
        raise FaultError(Fault("too_deep", message, nodes[MAX_NODES].span))
