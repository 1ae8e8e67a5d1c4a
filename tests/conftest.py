"""What every test has: real servers on request, and no way out to the network."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings as hypothesis_settings

from models.settings import load_settings
from tests.support.laws import BRIEF
from tests.support.sharing import SharingScheduler

pytest_plugins = ["tests.support.servers", "tests.support.stack", "tests.support.command_line"]

hypothesis_settings.load_profile(BRIEF)

_SETTINGS = load_settings()
_OWN_SERVERS = {urlsplit(url).hostname for url in (_SETTINGS.database_url, _SETTINGS.redis_url) if url}


class OutsideNetworkError(RuntimeError):
    """A test reached for the outside network; give it a server on the loopback interface."""


def _is_inside(host: Any) -> bool:
    if host in (None, "", "localhost", b"localhost") or host in _OWN_SERVERS:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def _close_the_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse connections and name look-ups that leave this machine; sockets of files have no host."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _is_inside(arguments[1][0]):
        raise OutsideNetworkError(f"connection to {arguments[1]}")
    if event == "socket.getaddrinfo" and not _is_inside(arguments[0]):
        try:
            ipaddress.ip_address(arguments[0])
        except ValueError:
            raise OutsideNetworkError(f"look-up of {arguments[0]}") from None


sys.addaudithook(_close_the_outside)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharingScheduler:
    """Give out the tests of `pytest -n` so that those that share a stack stay together."""
    return SharingScheduler(config, log)
