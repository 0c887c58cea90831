"""Literals, addresses, binding, errno -> error."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_compat.address import IPv4Address, IPv6Address
from twisted_compat.error import (
    ConnectBindError,
    ConnectError,
    ConnectionRefusedError,
    NoRouteError,
    ServiceNameUnknownError,
    TCPTimedOutError,
)
from twisted_compat.transport import sockets
from twisted_compat.vocabulary import NATIVE

LOOPBACK_INDEX = socket.if_nametoindex("lo")


@given(st.ip_addresses(v=4))
def test_every_dotted_quad_is_ipv4(address: ipaddress.IPv4Address) -> None:
    assert sockets.is_ipv4(str(address))
    assert not sockets.is_ipv6(str(address))
    assert sockets.literal_address(str(address), 80) == (str(address), 80)


@given(st.ip_addresses(v=6))
def test_every_ipv6_text_is_ipv6(address: ipaddress.IPv6Address) -> None:
    for text in (address.compressed, address.exploded):
        assert sockets.is_ipv6(text)
        assert not sockets.is_ipv4(text)
        found = sockets.literal_address(text, 80)
        assert found is not None
        assert (ipaddress.IPv6Address(found[0]), *found[1:]) == (address, 80, 0, 0)
        assert found == sockets.literal_address(found[0], 80)  # one spelling, the system's


@given(st.text())
def test_any_text_is_a_literal_or_a_name(text: str) -> None:
    assert not (sockets.is_ipv4(text) and sockets.is_ipv6(text))


@pytest.mark.parametrize(
    "name", ["", "localhost", "127.1", "1.2.3.4.5", "::g", "%lo", "a\x00b", "\ud800", "[::1]"]
)
def test_names_need_resolving(name: str) -> None:
    assert sockets.literal_address(name, 1) is None


def test_a_scope_becomes_an_index() -> None:
    assert sockets.literal_address("fe80::1%lo", 9) == ("fe80::1", 9, 0, LOOPBACK_INDEX)
    assert sockets.literal_address(f"fe80::1%{LOOPBACK_INDEX}", 9) == ("fe80::1", 9, 0, LOOPBACK_INDEX)


def test_an_unknown_scope_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        sockets.literal_address("fe80::1%nosuchif", 9)


def test_an_impossible_port_is_kept_for_connect_to_complain_about() -> None:
    assert sockets.literal_address("::1", 123456) == ("::1", 123456, 0, 0)


def test_addresses_are_the_vocabularys() -> None:
    assert sockets.address_of(NATIVE, ("127.0.0.1", 5)) == IPv4Address("TCP", "127.0.0.1", 5)
    assert sockets.address_of(NATIVE, ("::1", 5, 0, 0)) == IPv6Address("TCP", "::1", 5)


def test_a_scoped_address_can_be_connected_to_as_its_text_stands() -> None:
    address = sockets.address_of(NATIVE, ("fe80::1", 5, 0, LOOPBACK_INDEX))
    assert address == IPv6Address("TCP", "fe80::1%lo", 5, 0, LOOPBACK_INDEX)
    assert sockets.literal_address(address.host, 5) == ("fe80::1", 5, 0, LOOPBACK_INDEX)
    assert sockets.resolved_address(address, 7) == ("fe80::1", 7, 0, LOOPBACK_INDEX)


def test_what_resolvers_answer() -> None:
    assert sockets.resolved_address(IPv4Address("TCP", "10.0.0.1", 0), 80) == ("10.0.0.1", 80)
    assert sockets.resolved_address(IPv6Address("TCP", "::1", 0), 80) == ("::1", 80, 0, 0)
    assert sockets.resolved_address(IPv6Address("TCP", "fe80::1%lo", 0), 80) == (
        "fe80::1",
        80,
        0,
        LOOPBACK_INDEX,
    )


def test_families() -> None:
    assert sockets.family_of(("127.0.0.1", 1)) == socket.AF_INET
    assert sockets.family_of(("::1", 1, 0, 0)) == socket.AF_INET6


def test_ports_by_number_and_by_name() -> None:
    assert sockets.numeric_port(NATIVE, 80) == 80
    assert sockets.numeric_port(NATIVE, "http") == 80
    with pytest.raises(ServiceNameUnknownError, match="nosuchservice"):
        sockets.numeric_port(NATIVE, "nosuchservice")
    with pytest.raises(TypeError, match="Write connectTCP"):
        sockets.numeric_port(NATIVE, 80.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ECONNREFUSED, ConnectionRefusedError),
        (errno.ETIMEDOUT, TCPTimedOutError),
        (errno.ENETUNREACH, NoRouteError),
        (errno.EPIPE, ConnectError),
    ],
)
def test_connect_errors(code: int, expected: type[BaseException]) -> None:
    error = sockets.connect_error(NATIVE, code)
    assert type(error) is expected
    assert os.strerror(code) in str(error)


def test_bind_errors_say_what_the_system_said() -> None:
    error = sockets.bind_error(NATIVE, OSError(errno.EADDRINUSE, "in use"))
    assert isinstance(error, ConnectBindError)
    assert "in use" in str(error)


def test_a_new_socket_does_not_block_and_is_not_inherited() -> None:
    with sockets.stream_socket(socket.AF_INET) as skt:
        assert not skt.getblocking()
        assert not skt.get_inheritable()


def test_binding() -> None:
    with sockets.stream_socket(socket.AF_INET) as skt:
        sockets.bind_socket(skt, "", 0, True)
        assert skt.getsockname()[0] == "0.0.0.0"
        assert skt.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not skt.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    binding = sockets.Binding("127.0.0.1", 0, reuse_port=True)
    with sockets.stream_socket(socket.AF_INET) as skt, sockets.stream_socket(socket.AF_INET) as other:
        sockets.bind_socket(skt, *binding)
        sockets.bind_socket(other, "127.0.0.1", skt.getsockname()[1], reuse_port=True)
        assert not skt.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    with sockets.stream_socket(socket.AF_INET6) as skt:
        sockets.bind_socket(skt, "::1", 0)
        assert skt.getsockname()[0] == "::1"
        assert not skt.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    with (
        sockets.stream_socket(socket.AF_INET) as skt,
        pytest.raises(OSError, match="not an address of the family"),
    ):
        sockets.bind_socket(skt, "::1", 0)
    with sockets.stream_socket(socket.AF_INET) as skt, pytest.raises(OverflowError):
        sockets.bind_socket(skt, "127.0.0.1", 65536)
