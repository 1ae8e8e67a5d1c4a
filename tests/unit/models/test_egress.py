"""Which outgoing addresses pass the door."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from models import egress
from models.egress import EgressRefusedError, HostUnresolvedError, check_endpoint, checked_url

PUBLIC = "93.184.216.34"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A resolver with a table of its own: name → addresses."""
    table: dict[str, list[str]] = {}

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if host not in table:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in table[host]]

    monkeypatch.setattr(egress.socket, "getaddrinfo", resolve)
    return table


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://agents.example.com/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("http:///path", "name a host"),
        ("http://user:pw@agents.example.com/", "user name"),
        ("http://agents.example.com@10.0.0.1/", "user name"),
        ("http://agents.example.com:99999/", "cannot be read"),
        ("http://agents.example.com:0/", "1 to 65535"),
        ("http://agents.example.com\\@10.0.0.1/", "characters"),
        ("http://agents.example.com/a b", "characters"),
        ("http://agents.exämple.com/", "characters"),
        ("http://2130706433/", "unusual notation"),
        ("http://0x7f000001/", "unusual notation"),
        ("http://0177.0.0.1/", "unusual notation"),
        ("http://127.1/", "unusual notation"),
        ("http://[::1%25eth0]/", "not a host name"),
        ("http://-agents.example.com/", "not a host name"),
    ],
)
def test_urls_that_mean_something_else_than_they_say_are_refused(url: str, words: str) -> None:
    with pytest.raises(EgressRefusedError, match=words):
        check_endpoint(url, (), listed_only=False)


@pytest.mark.parametrize(
    ("url", "hosts", "verdict"),
    [
        ("https://agents.example.com/run", ("agents.example.com",), "listed"),
        ("https://AGENTS.example.com./run", ("Agents.Example.com",), "listed"),
        ("https://agents.example.com/run", ("agents.example.com:443",), "listed"),
        ("https://agents.example.com:8443/run", ("agents.example.com:443",), "refused"),
        ("https://agents.example.com:8443/run", ("agents.example.com",), "listed"),
        ("https://evil.agents.example.com/", ("agents.example.com",), "refused"),
        ("https://agents.example.com.evil.com/", ("agents.example.com",), "refused"),
        ("http://[::1]:8700/", ("[::1]:8700",), "listed"),
        ("http://[0:0:0:0:0:0:0:1]:8700/", ("::1",), "listed"),
        ("http://127.0.0.1:8700/", ("127.0.0.1:8700",), "listed"),
        ("http://127.0.0.1:8701/", ("127.0.0.1:8700",), "refused"),
        ("http://127.0.0.1:8700/", (), "refused"),
    ],
)
def test_a_host_must_be_listed_with_its_port_if_the_entry_names_one(
    url: str, hosts: tuple[str, ...], verdict: str
) -> None:
    if verdict == "listed":
        assert check_endpoint(url, hosts).listed
    else:
        with pytest.raises(EgressRefusedError, match="FLEX_AGENT_HOSTS"):
            check_endpoint(url, hosts)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "127.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1",
        "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::",
    ],
)  # fmt: skip
def test_a_host_that_is_not_listed_may_not_be_private_in_any_spelling(
    address: str, resolver: dict[str, list[str]]
) -> None:
    # Given a public name that resolves to a public and to a private address
    resolver["agents.example.com"] = [PUBLIC, address]
    # When it is checked, as a name and as the address itself, then both are refused
    with pytest.raises(EgressRefusedError, match="private address"):
        checked_url("http://agents.example.com/", (), listed_only=False)
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(EgressRefusedError, match="private address"):
        checked_url(f"http://{literal}/", (), listed_only=False)


def test_a_public_host_passes_with_the_addresses_to_connect_to(resolver: dict[str, list[str]]) -> None:
    resolver["agents.example.com"] = [PUBLIC, PUBLIC]
    checked = checked_url("https://agents.example.com/run", (), listed_only=False)
    assert (checked.host, checked.port, checked.addresses) == ("agents.example.com", 443, (PUBLIC,))


def test_a_listed_name_may_be_private_but_never_where_no_agent_lives(resolver: dict[str, list[str]]) -> None:
    resolver["agent.internal"] = ["10.1.2.3"]
    assert checked_url("http://agent.internal:8700/", ("agent.internal",)).addresses == ("10.1.2.3",)
    resolver["agent.internal"] = ["169.254.169.254"]
    with pytest.raises(EgressRefusedError, match="never the address"):
        checked_url("http://agent.internal:8700/", ("agent.internal",))
    assert checked_url("http://169.254.10.1/", ("169.254.10.1",)).addresses == ("169.254.10.1",)


def test_a_name_that_does_not_resolve_is_told_apart(resolver: dict[str, list[str]]) -> None:
    with pytest.raises(HostUnresolvedError, match=r"agents\.example\.com"):
        checked_url("http://agents.example.com/", ("agents.example.com",))
