"""Tell the workers, without making the caller wait for a broker that may be away."""

from __future__ import annotations

import threading
from collections.abc import Callable


def ring(send: Callable[..., None], *ids: object) -> None:
    """Send in the background. What is lost with this process or with the broker, the sweep sends again."""
    threading.Thread(target=send, args=ids, name="doorbell", daemon=True).start()
