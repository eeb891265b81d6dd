"""Hosts and origins: ours pass, everybody else does not."""

import pytest

from web.guard import host_allowed, origin_allowed

OURS = frozenset({"127.0.0.1", "localhost", "[::1]", "desk.example.com"})


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "desk.example.com"]
)
def test_our_names(host: str) -> None:
    assert host_allowed(host, OURS)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.com",
        "evil.com:8000",
        "127.0.0.1.evil.com",
        "localhost@evil.com",
        "[::1",
        "desk.example.com.",
        "[]",
    ],
)
def test_other_names(host: str) -> None:
    assert not host_allowed(host, OURS)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("https://desk.example.com", "desk.example.com", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8000", False),
        ("http://evil.com", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000.evil.com", "127.0.0.1:8000", False),
        ("null", "127.0.0.1:8000", False),
        ("file://", "", False),
        ("http://[bad", "127.0.0.1:8000", False),
        (None, "127.0.0.1:8000", False),
        ("", "", False),
    ],
)
def test_only_our_own_pages(origin: str | None, host: str, allowed: bool) -> None:
    assert origin_allowed(origin, host) is allowed
