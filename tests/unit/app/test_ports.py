"""Ports: the wanted one when it is free, else the next, and never the same for two of us."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from app.ports import NoFreePortError, PortClaim, is_free, web_address


def take_any_port() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_a_taken_port_gives_the_next_free_one() -> None:
    with closing(take_any_port()) as taken:
        port = taken.getsockname()[1]
        claim = PortClaim("127.0.0.1", port)

    assert claim.port > port
    claim.release()


def test_two_claims_never_share_a_port_and_a_released_one_is_free_again() -> None:
    first = PortClaim("127.0.0.1", 20_000)
    second = PortClaim("127.0.0.1", first.port)
    assert second.port != first.port

    first.release()
    third = PortClaim("127.0.0.1", first.port)

    assert third.port == first.port
    second.release()
    third.release()


def test_the_end_of_the_range_is_an_error_with_a_remedy() -> None:
    with closing(take_any_port()) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    with pytest.raises(NoFreePortError, match="choose another"):
        PortClaim("127.0.0.1", 65_536)


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:3003"), ("0.0.0.0", "http://127.0.0.1:3003"), ("::", "http://[::1]:3003")],
)
def test_the_shown_address_is_one_that_a_browser_here_can_open(host: str, address: str) -> None:
    assert web_address(host, 3003) == address
