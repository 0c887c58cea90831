"""Addresses: values that compare, hash, sort, print and travel."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from twisted_compat.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted_compat.interfaces import IAddress

EXAMPLES: list[Any] = [
    IPv4Address("TCP", "127.0.0.1", 80),
    IPv6Address("UDP", "fe80::1", 53, 7, "eth0"),
    HostnameAddress(b"example.com", 443),
    UNIXAddress(b"/run/socket"),
    UNIXAddress(b"\0abstract"),
    UNIXAddress(None),
]


@pytest.mark.parametrize("address", EXAMPLES, ids=repr)
def test_is_an_address_and_travels(address: Any) -> None:
    assert verifyObject(IAddress, address)
    for other in (copy.copy(address), pickle.loads(pickle.dumps(address))):
        assert other == address
        assert hash(other) == hash(address)
        assert repr(other) == repr(address)
    assert address != "something else"
    assert sum(address == other for other in EXAMPLES) == 1


def test_repr_is_twisteds() -> None:
    theirs = pytest.importorskip("twisted.internet.address")
    for address in EXAMPLES:
        args = [getattr(address, name) for name in type(address).__match_args__]
        assert repr(address) == repr(getattr(theirs, type(address).__name__)(*args))


def test_fields_and_defaults() -> None:
    address = IPv6Address("TCP", "::1", 80)
    assert (address.type, address.host, address.port, address.flowInfo, address.scopeID) == (
        "TCP",
        "::1",
        80,
        0,
        0,
    )
    by_name = IPv4Address(type="UDP", host="10.0.0.1", port=1)
    assert repr(by_name) == "IPv4Address(type='UDP', host='10.0.0.1', port=1)"


@pytest.mark.parametrize("cls", [IPv4Address, IPv6Address])
def test_only_tcp_and_udp(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"'TCP' or 'UDP', not 'INET'"):
        cls("INET", "127.0.0.1", 80)


def test_every_field_counts() -> None:
    base: tuple[Any, ...] = ("TCP", "::1", 80, 0, 0)
    for position, other in enumerate(("UDP", "::2", 81, 1, 1)):
        fields: list[Any] = list(base)
        fields[position] = other
        assert IPv6Address(*fields) != IPv6Address(*base)
    assert IPv4Address("TCP", "::1", 80) != IPv6Address("TCP", "::1", 80)


def test_order_is_that_of_the_fields() -> None:
    low, high = IPv4Address("TCP", "10.0.0.1", 1), IPv4Address("TCP", "10.0.0.1", 2)
    assert low < high and low <= high and high > low and high >= low and low <= copy.copy(low)
    assert sorted([high, low]) == [low, high]
    with pytest.raises(TypeError):
        low < IPv6Address("TCP", "::1", 1)  # noqa: B015
    with pytest.raises(TypeError):
        low <= 3  # noqa: B015


def test_a_subclass_is_another_kind() -> None:
    class Tagged(IPv4Address):
        pass

    assert Tagged("TCP", "10.0.0.1", 1) == Tagged("TCP", "10.0.0.1", 1) != IPv4Address("TCP", "10.0.0.1", 1)
    assert "Tagged(type='TCP'" in repr(Tagged("TCP", "10.0.0.1", 1))


def test_unix_names_are_bytes(tmp_path: Path) -> None:
    assert UNIXAddress("/run/é").name == os.fsencode("/run/é")
    assert UNIXAddress(tmp_path).name == os.fsencode(tmp_path)
    with pytest.raises(TypeError):
        UNIXAddress(3)  # type: ignore[arg-type]


def test_unix_equal_by_file(tmp_path: Path) -> None:
    real, link, other = tmp_path / "real", tmp_path / "link", tmp_path / "other"
    real.touch()
    other.touch()
    link.symlink_to(real)
    assert UNIXAddress(real) == UNIXAddress(link)
    assert hash(UNIXAddress(real)) == hash(UNIXAddress(link))
    assert UNIXAddress(real) != UNIXAddress(other)
    assert UNIXAddress(real) != UNIXAddress(tmp_path / "missing")


def test_unix_stays_findable_after_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    seen = {UNIXAddress(path): "here"}
    path.unlink()
    assert seen[UNIXAddress(path)] == "here"


def test_abstract_and_missing_names_compare_by_value() -> None:
    assert UNIXAddress(b"\0a") != UNIXAddress(b"\0b") != UNIXAddress(b"/a")
    assert UNIXAddress(None) == UNIXAddress(None) != UNIXAddress(b"")
    assert len({UNIXAddress(b"\0a"), UNIXAddress(b"\0a"), UNIXAddress(b"\0b"), UNIXAddress(None)}) == 3
