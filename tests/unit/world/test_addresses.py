from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.world.addresses import is_public, public_addresses

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "0.0.0.0",
    "255.255.255.255",
    "169.254.169.254",  # metadata of AWS, Azure, GCP
    "100.100.100.200",  # metadata of Alibaba
    "192.0.0.192",  # metadata of Oracle
    "168.63.129.16",  # host agent of Azure
    "100.64.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "fd00:ec2::254",  # metadata of AWS over IPv6
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_refused_in_every_wrapping(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Rejected, match="not a public address"):
        public_addresses("data.example", 443, lambda host, port: ["8.8.8.8", address])


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_passes(address: str) -> None:
    assert public_addresses("data.example", 443, lambda host, port: [address]) == [address]


@given(st.ip_addresses(v=4))
def test_wrapping_never_makes_an_inside_address_public(address: IPv4Address) -> None:
    if not is_public(str(address)):
        for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
            assert not is_public(str(IPv6Address(int(IPv6Address(prefix)) | int(address))))


def test_a_name_that_does_not_resolve_may_resolve_later() -> None:
    def fails(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(Unavailable, match=r"cannot resolve nowhere\.example: Name or service"):
        public_addresses("nowhere.example", 443, fails)
    with pytest.raises(Unavailable, match="no address"):
        public_addresses("nowhere.example", 443, lambda host, port: [])
