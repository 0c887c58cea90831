"""The sockets that dnspython is given."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import dns.exception
import pytest

from tests.names.resolving import addresses, descriptors, resolver_for
from tests.names.server import Fake, reply
from tests.support import free_port, within
from twisted_compat.names.sockets import Datagrams, Stream

pytestmark = pytest.mark.without_debug


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.02


def later() -> float:
    return asyncio.get_running_loop().time() + 60


@pytest.mark.parametrize("kind", [Datagrams, Stream])
async def test_where_nobody_listens_it_is_known_at_once(kind: Any) -> None:
    loop, before = asyncio.get_running_loop(), descriptors()
    with pytest.raises(ConnectionRefusedError):
        async with kind(loop, ("127.0.0.1", free_port()), later()) as one:
            if kind is Stream:
                await within(one.connect())
            await one.sendto(b"x", None, None)
            await within(one.recvfrom(9, None))
    assert descriptors() == before


@pytest.mark.parametrize("kind", [Datagrams, Stream])
async def test_an_address_that_cannot_be_one_leaves_no_socket(kind: Any) -> None:
    loop, before = asyncio.get_running_loop(), descriptors()
    with pytest.raises(OSError):
        kind(loop, ("fe80::1%nosuchlink", 53), later())
    if kind is Datagrams:
        with pytest.raises(OSError):
            kind(loop, ("255.255.255.255", 53), later())  # that would take a permission
    assert descriptors() == before


async def test_a_deadline_ends_reading_and_writing() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        async with Datagrams(loop, listener.getsockname(), soon()) as datagrams:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
                silent.bind(listener.getsockname())
                with pytest.raises(dns.exception.Timeout):
                    await within(datagrams.recvfrom(9, None))
        async with Stream(loop, listener.getsockname(), soon()) as stream:
            await within(stream.connect())
            with pytest.raises(dns.exception.Timeout):
                await within(stream.recv(9, None))
        async with Stream(loop, listener.getsockname(), soon()) as stream:
            await within(stream.connect())
            with pytest.raises(dns.exception.Timeout):
                await within(stream.sendall(bytes(20_000_000), None))


async def test_a_server_may_have_an_ipv6_address() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    async with (
        Fake(lambda query: reply(query, "host. 60 IN A 192.0.2.1"), host="::1") as fake,
        resolver_for(fake) as resolver,
    ):
        assert addresses(await within(resolver.lookupAddress("host"))) == ["192.0.2.1"]
