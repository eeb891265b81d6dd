"""Which addresses may be asked. Pure.

Names: https, or http where the tenant listed the host for it; no user info, no odd ports, no number in any of the
spellings that resolvers read as an address (decimal, octal, hexadecimal, short). Addresses: only those that are
global unicast, also when IPv4 hides in IPv6 (mapped, compatible, 6to4, Teredo, NAT64); never a cloud's metadata.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec

from app.guarded_http.errors import UrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_URL_CHARACTERS = 2_048
PORTS = {"https": 443, "http": 80}
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
_NUMERIC_LABEL = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")
_INTERNAL_NAMES = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "localdomain",
    "onion",
    "in-addr.arpa",
    "ip6.arpa",
)
_METADATA = frozenset(
    ipaddress.ip_address(one)
    for one in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
    )
)
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(one)
    for one in ("192.88.99.0/24", "fec0::/10", "2001:db8::/32", "3fff::/20", "5f00::/16", "100::/64")
)


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port of an address; hosts are lower case and without a final dot."""

    scheme: str
    host: str
    port: int


class HostRules(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tenant or one purpose.

    `only`: the only hosts that may be asked (None: any public one). `http`: hosts that may be asked without TLS.
    `trusted`: origins of the operator's own network, like a search engine of theirs; they may be private, and only
    the address that was asked for may be one, never a redirect.
    """

    only: frozenset[str] | None = None
    http: frozenset[str] = frozenset()
    trusted: frozenset[Origin] = frozenset()


def checked(url: str, rules: HostRules, *, redirected: bool = False) -> Origin:
    """The origin of an address that may be asked, as far as its text tells. Raises UrlRefused."""
    origin = origin_of(url)
    if origin in rules.trusted and not redirected:
        return origin
    if rules.only is not None and origin.host not in rules.only:
        raise UrlRefused(f"{origin.host} is not on the list of hosts that may be asked.")
    if origin.scheme == "http" and origin.host not in rules.http:
        raise UrlRefused(f"{origin.host} would be asked without TLS; only https is allowed.")
    if origin.port != PORTS[origin.scheme]:
        raise UrlRefused(f"Port {origin.port} of {origin.host} is not allowed.")
    check_host(origin.host)
    return origin


def origin_of(url: str) -> Origin:
    """Scheme, host and port. Raises UrlRefused for what is no plain http(s) address."""
    if len(url) > MAX_URL_CHARACTERS or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        raise UrlRefused("The address has characters or a length that no address has.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").lower()
    except ValueError:
        raise UrlRefused("The address cannot be read.") from None
    if parts.scheme not in PORTS:
        raise UrlRefused(f"Addresses begin with https://, not with {parts.scheme[:20]!r}.")
    if "@" in parts.netloc:
        raise UrlRefused("An address must not carry a user name or password.")
    if "%" in parts.netloc:
        raise UrlRefused("A host name must not be percent-encoded.")
    host = _ascii(host).removesuffix(".")
    if not host:
        raise UrlRefused("The address names no host.")
    return Origin(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def trusted_origins(listed: str) -> frozenset[Origin]:
    """From `host` and `host:port` separated by commas: what may be private, without TLS, or at that odd port.

    A host without port is trusted at 443 with TLS and at 80 without. Raises UrlRefused for what is no host.
    """
    found: set[Origin] = set()
    for place in (part.strip() for part in listed.split(",")):
        if not place:
            continue
        origins = {origin_of(f"{scheme}://{place}") for scheme in PORTS}
        if "/" in place or "?" in place or "#" in place:
            raise UrlRefused(f"{place[:60]!r} is more than a host and a port.")
        found |= origins
    return frozenset(found)


def check_host(host: str) -> None:
    """Raises UrlRefused for names of one's own network and for numbers that are no plain public address."""
    address = literal(host)
    if address is not None:
        check_address(address, host)
        return
    if any(_NUMERIC_LABEL.match(label) for label in (host.rpartition(".")[2],)):
        raise UrlRefused(f"{host[:60]} is a number, not a name.")
    if any(host == name or host.endswith("." + name) for name in _INTERNAL_NAMES):
        raise UrlRefused(f"{host[:60]} is a name of a private network.")
    if _HOST.match(host) is None:
        raise UrlRefused(f"{host[:60]!r} is not a public host name.")


def literal(host: str) -> Address | None:
    """The address that `host` is, when it is one in its plain spelling."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def check_address(address: Address, host: str) -> None:
    """Raises UrlRefused unless every address that this one stands for is public."""
    for one in meanings(address):
        if one in _METADATA or not one.is_global or one.is_multicast or _special(one):
            raise UrlRefused(f"{host[:60]} leads into a private or reserved network.")


def meanings(address: Address) -> Collection[Address]:
    """The address, and the IPv4 ones that it carries."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in net for net in _NAT64) or address in _COMPATIBLE:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        found += [one for one in inner if one is not None]
    return found


def _special(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address in _COMPATIBLE):
        return True
    return any(address.version == net.version and address in net for net in _NOT_PUBLIC)


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise UrlRefused("The host name cannot be written in ASCII.") from None
