"""Addresses are told apart by from where they can be reached, however they are written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbops.data.sources import network
from nbops.data.sources.network import Border
from nbops.errors import SourceError


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("127.0.0.1", "loopback"), ("127.9.9.9", "loopback"), ("::1", "loopback"), ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"), ("2002:7f00:1::", "loopback"), ("10.0.0.1", "private"), ("172.16.0.1", "private"),
        ("192.168.1.1", "private"), ("100.64.0.1", "private"), ("fd00::1", "private"), ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"), ("::ffff:169.254.169.254", "link-local"), ("0.0.0.0", "reserved"), ("::", "reserved"),  # noqa: S104 - nothing is bound to it

        ("224.0.0.1", "reserved"), ("255.255.255.255", "reserved"), ("8.8.8.8", "public"), ("2001:4860:4860::8888", "public"),
    ],
)  # fmt: skip
def test_reach_of_an_address(address: str, reach: str) -> None:
    assert network.reach(address) == reach


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("localhost", "loopback"), ("LOCALHOST.", "loopback"), ("a.localhost", "loopback"), ("[::1]", "loopback"), ("db", "private"),
        ("db.internal", "private"), ("10.1.2.3", "private"), ("data.example.org", "public"), ("169.254.169.254", "link-local"),
    ],
)  # fmt: skip
def test_reach_that_is_written_down(host: str, reach: str) -> None:
    assert network.declared_reach(host) == reach


@given(st.ip_addresses())
@example(ipaddress.IPv6Address("2002:100::"))
def test_what_is_not_global_is_never_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert network.reach(str(address)) != "public" or address.is_global
    if isinstance(address, ipaddress.IPv4Address):
        assert network.reach(f"::ffff:{address}") == network.reach(str(address))


def test_what_was_declared_opens_its_own_kind_only() -> None:
    inside = Border("private", allow_private=False)
    inside.check("10.0.0.1", "db")
    inside.check("8.8.8.8", "dns")
    for address in ("127.0.0.1", "169.254.169.254"):
        with pytest.raises(SourceError, match="nothing was asked of it"):
            inside.check(address, "db")
        Border("public", allow_private=True).check(address, "db")
