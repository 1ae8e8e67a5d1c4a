"""The one checked door for outgoing addresses: which hosts may be called, and at which IP addresses.

A caller names a URL; `check_endpoint` decides by its text alone, `checked_url` also resolves the name and returns the
very addresses to connect to, so that a name which resolves to something else a moment later gains nothing.

An entry of the list is `host` or `host:port`. Only a listed host may live at a private or loopback address. Addresses
that no service has (link-local with its cloud metadata, multicast, unspecified) need the literal address in the list.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from policies.errors import FlexError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMERIC_LABEL = re.compile(r"0x[0-9a-f]*|[0-9]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class EgressRefusedError(FlexError):
    """This address may not be called; list its host in FLEX_AGENT_HOSTS if it should be."""

    code = "egress_refused"


class HostUnresolvedError(FlexError):
    """The host's name could not be resolved; check the name and the resolver."""

    code = "host_unresolved"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of an acceptable URL; `listed` says whether its host stands in the list."""

    url: str
    scheme: str
    host: str
    port: int
    listed: bool


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A URL that may be called, with the addresses that were checked: connect to these and to no others."""

    url: str
    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]


def check_endpoint(url: str, allowed_hosts: Iterable[str], *, listed_only: bool = True) -> Endpoint:
    """Return the parts of `url`, judged without touching the network; raises `EgressRefusedError`.

    With `listed_only` false a host that is not listed passes too, to be judged by its addresses.
    """
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    listed = any(_covers(entry, host, port) for entry in allowed_hosts)
    literal = _literal(host)
    if literal is None:
        _check_name(host)
    if listed_only and not listed:
        raise EgressRefusedError(f"The host {host}:{port} is not listed; add it to FLEX_AGENT_HOSTS to allow it.")
    if literal is not None:
        _check_address(literal, listed=listed, literal=True, host=host)
    return Endpoint(url, parts.scheme, host, port, listed)


def checked_url(url: str, allowed_hosts: Iterable[str], *, listed_only: bool = True) -> CheckedUrl:
    """Return `url` with its checked addresses, all of them acceptable.

    Raises `EgressRefusedError` when the URL or any address of its host may not be called, `HostUnresolvedError` when
    there is none.
    """
    endpoint = check_endpoint(url, allowed_hosts, listed_only=listed_only)
    literal = _literal(endpoint.host)
    addresses = (literal,) if literal is not None else _resolve(endpoint)
    for address in addresses:
        _check_address(address, listed=endpoint.listed, literal=literal is not None, host=endpoint.host)
    return CheckedUrl(url, endpoint.scheme, endpoint.host, endpoint.port, tuple(str(a) for a in addresses))


def _split(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EgressRefusedError("The URL holds characters that no URL has; write it in plain ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefusedError(f"The URL cannot be read: {error}.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise EgressRefusedError("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise EgressRefusedError("The URL must not carry a user name or password; use the endpoint's secret.")
    if not parts.hostname or port == 0:
        raise EgressRefusedError("The URL must name a host, and a port from 1 to 65535 if any.")
    return parts


def _literal(host: str) -> Address | None:
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_name(host: str) -> None:
    """Refuse what resolvers would read as an address in disguise (`2130706433`, `0x7f.1`), and what is no name."""
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        raise EgressRefusedError(f"{host} is an address in an unusual notation; write it in its plain form.")
    if not _HOST_NAME.fullmatch(host) or len(host) > 253:
        raise EgressRefusedError(f"{host} is not a host name.")


def _covers(entry: str, host: str, port: int) -> bool:
    """Tell whether a list entry (`host`, `host:port`, `[v6]`, `[v6]:port` or a bare v6 address) means this place."""
    text = entry.strip().lower()
    bracketed = re.fullmatch(r"\[(.+)\](?::(\d+))?", text)
    plain = re.fullmatch(r"([^:]+)(?::(\d+))?", text)
    match = bracketed or plain
    name, number = (match[1], match[2]) if match else (text, None)
    literal = _literal(name)
    same = literal == _literal(host) if literal is not None else name.rstrip(".") == host
    return same and (number is None or int(number) == port)


def _resolve(endpoint: Endpoint) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostUnresolvedError(f"The host name {endpoint.host} could not be resolved.") from error
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return tuple(ipaddress.ip_address(text) for text in texts)


def _check_address(address: Address, *, listed: bool, literal: bool, host: str) -> None:
    real = _unwrapped(address)
    if real.is_global and not real.is_multicast:
        return
    if not listed:
        raise EgressRefusedError(f"{host} is at the private address {real}; only hosts in FLEX_AGENT_HOSTS may be.")
    ordinary = not (real.is_link_local or real.is_multicast or real.is_unspecified)
    if not ordinary and not literal:
        raise EgressRefusedError(f"{host} resolves to {real}, which is never the address of an agent.")


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one carries inside, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
