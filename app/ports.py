"""A port for a server of ours: the wanted one, or the next that is free, and no two of us on the same."""

from __future__ import annotations

import socket
import sys

from policies.errors import FlexError

ATTEMPTS = 100


class NoFreePortError(FlexError):
    """No port is free near the wanted one; choose another with FLEX_SERVER_PORT or FLEX_FLOWER_PORT."""

    code = "no_free_port"


class PortClaim:
    """A free port, kept from other instances of Flex on this machine until `release`.

    Between the look and the server's own bind another instance could take the same port. A name in the kernel's
    abstract socket space, which vanishes with its process, tells them apart; systems without it live with the gap.
    """

    def __init__(self, host: str, wanted: int) -> None:
        """Claim the first free port from `wanted` on. Raises `NoFreePortError`."""
        self.host = host
        self._claim: socket.socket | None = None
        for port in range(wanted, min(wanted + ATTEMPTS, 65536)):
            if self._take(port):
                self.port = port
                return
        raise NoFreePortError(f"no port from {wanted} on is free on {host}; choose another one.")

    def release(self) -> None:
        """Let others have the port."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _take(self, port: int) -> bool:
        claim = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform == "linux":
                claim.bind(f"\0flex-port-{port}")
            if is_free(self.host, port):
                self._claim = claim
                return True
        except OSError:
            pass
        claim.close()
        return False


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could be bound to the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Tell whether a server accepts connections there."""
    try:
        with socket.create_connection((reachable(host), port), timeout=1):
            return True
    except OSError:
        return False


def reachable(host: str) -> str:
    """Return the address under which this machine reaches a server that is bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def web_address(host: str, port: int) -> str:
    """Return the address of a web server that is bound to `host`, as a browser on this machine takes it."""
    name = reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
