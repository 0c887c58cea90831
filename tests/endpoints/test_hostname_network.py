"""Hosts one of whose addresses leads nowhere: the other is connected to.

Two cables join the network that the test is in to another one, in which somebody listens; see tests/networks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.naming import ToldNames
from tests.networks import FAR, HOME, Network, joined_networks
from tests.support import DEADLINE, until, within
from tests.transport.recorders import Connecting
from twisted_compat import AsyncioReactor
from twisted_compat.address import IPv6Address
from twisted_compat.endpoints import HostnameEndpoint
from twisted_compat.error import ConnectError, ConnectingCancelledError, NoRouteError, TimeoutError

pytestmark = pytest.mark.without_debug

ALIVE = {"IPv6": FAR.ipv6["one"], "IPv4": FAR.ipv4["one"]}
NOT_LISTENED_AT = {"IPv6": FAR.ipv6["two"], "IPv4": FAR.ipv4["two"]}

# Addresses for documentation and for benchmarks (RFC 3849, 5737, 2544). What becomes of a packet to them is
# in the routes, here and beyond the cable: there it is dropped without a word, or the sender is told; here
# one learns it from connect(2) itself.
DEAD = {
    "not answered": {"IPv6": "2001:db8:dead::1", "IPv4": "203.0.113.1"},
    "unreachable, says a router": {"IPv6": "2001:db8:bad::1", "IPv4": "198.18.0.1"},
    "without a route": {"IPv6": "2001:db8:ffff::1", "IPv4": "198.19.0.1"},
    "forbidden": {"IPv6": "2001:db8:f::1", "IPv4": "198.18.1.1"},
    "refused": NOT_LISTENED_AT,
}
HERE = f"""
route add 2001:db8:dead::/48 via {ALIVE["IPv6"]}
route add 203.0.113.0/24 via {ALIVE["IPv4"]}
route add 2001:db8:bad::/48 via {ALIVE["IPv6"]}
route add 198.18.0.0/24 via {ALIVE["IPv4"]}
route add prohibit 2001:db8:f::/48
route add prohibit 198.18.1.0/24
"""
THERE = """
route add blackhole 2001:db8:dead::/48
route add blackhole 203.0.113.0/24
route add unreachable 2001:db8:bad::/48
route add unreachable 198.18.0.0/24
"""


PORT = 8080  # these networks are the tests' own


@pytest.fixture(scope="module")
def cabled() -> Iterator[Network]:
    """The network that the test is going to be in, with those routes. Over there, the kernel accepts."""
    with joined_networks() as (home, far), ExitStack() as stack:
        home.ip(HERE)
        far.ip(THERE)
        with far.inside():
            for version in ("ipv4", "ipv6"):  # it is a router: it tells what it can't deliver
                Path(f"/proc/sys/net/{version}/conf/all/forwarding").write_text("1")
            for host in (ALIVE["IPv6"], ALIVE["IPv4"], f"{FAR.local}%one"):
                family, _, _, _, address = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)[0]
                stack.enter_context(socket.create_server(address, family=family))
        yield home


@pytest.fixture
def home(cabled: Network) -> Iterator[Network]:
    """The network that the test is in."""
    with cabled.inside():
        yield cabled


class Watched(AsyncioReactor):
    """Remembers which addresses were tried."""

    def __init__(self, *told: str) -> None:
        super().__init__()
        self.tried: list[str] = []
        self.installNameResolver(ToldNames(*told))
        self.descriptors = len(os.listdir("/dev/fd"))

    def connectTCP(self, host: str, *args: Any, **kw: Any) -> Any:
        self.tried.append(host)
        return super().connectTCP(host, *args, **kw)

    def left(self, descriptors: int = 0) -> bool:
        """Whether of all that was tried only so many descriptors are left."""
        return (
            len(os.listdir("/dev/fd")) == self.descriptors + descriptors
            and len(self.getReaders()) == descriptors
            and not self.getWriters()
            and not self.getDelayedCalls()
        )


async def closed(reactor: Watched, protocol: Any) -> bool:
    protocol.transport.abortConnection()
    return bool(await until(reactor.left))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize("version", ALIVE)
async def test_one_version_of_ip_is_dead(dead: str, version: str) -> None:
    nowhere, there = DEAD[dead][version], ALIVE["IPv4" if version == "IPv6" else "IPv6"]
    async with Watched(nowhere, there) as reactor:
        endpoint = HostnameEndpoint(reactor, "dual.example", PORT, attemptDelay=0.02)
        factory = Connecting()
        protocol = await within(endpoint.connect(factory))
        assert reactor.tried == [nowhere, there]
        assert protocol.transport.getPeer().host == there and factory.protocols == [protocol]
        assert reactor.left(1)
        assert await closed(reactor, protocol)


@pytest.mark.usefixtures("home")
async def test_ipv6_is_dead_and_nothing_was_said_about_delays() -> None:
    """The kernel would go on trying for two minutes, and the endpoint for thirty seconds."""
    addresses = [f"2001:db8:dead::{number}" for number in range(1, 20)]
    async with Watched(*addresses, ALIVE["IPv4"]) as reactor:
        protocol = await within(HostnameEndpoint(reactor, "dual.example", PORT).connect(Connecting()))
        assert reactor.tried == [addresses[0], ALIVE["IPv4"]]
        assert await closed(reactor, protocol)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("dead", "error"),
    [("not answered", TimeoutError), ("without a route", NoRouteError), ("forbidden", ConnectError)],
)
async def test_both_are_dead(dead: str, error: type[Exception]) -> None:
    async with Watched(*DEAD[dead].values()) as reactor:
        endpoint = HostnameEndpoint(reactor, "dual.example", PORT, timeout=0.03, attemptDelay=0.01)
        with pytest.raises(error):
            await within(endpoint.connect(Connecting()))
        assert reactor.tried == list(DEAD[dead].values()) and reactor.left()


@pytest.mark.usefixtures("home")
async def test_giving_up_what_is_not_answered() -> None:
    hosts = list(DEAD["not answered"].values())
    async with Watched(*hosts) as reactor:
        connecting = HostnameEndpoint(reactor, "dual.example", PORT, attemptDelay=0.01).connect(Connecting())
        await until(lambda: reactor.tried == hosts and len(reactor.getWriters()) == 2)
        connecting.cancel()
        with pytest.raises(ConnectingCancelledError):
            await within(connecting)
        assert reactor.left()


@pytest.mark.usefixtures("home")
async def test_a_link_local_address() -> None:
    async with Watched() as reactor:
        endpoint = HostnameEndpoint(reactor, f"{FAR.local}%one", PORT)
        protocol = await within(endpoint.connect(Connecting()))
        assert protocol.transport.getPeer().host.partition("%")[0] == FAR.local
        assert await closed(reactor, protocol)
        # And as a resolver tells it: with the number of the interface.
        names = ToldNames()
        reactor.installNameResolver(names)
        connecting = HostnameEndpoint(reactor, "local.example", PORT).connect(Connecting())
        names.receiver.addressResolved(IPv6Address("TCP", FAR.local, PORT, 0, HOME.index["one"]))
        names.complete()
        protocol = await within(connecting)
        assert await closed(reactor, protocol)


CLIENT = """
import asyncio, sys
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import HostnameEndpoint
from twisted_compat.protocol import ClientFactory, Protocol

class Watched(AsyncioReactor):
    def connectTCP(self, host, *args, **kw):
        print(host)
        return super().connectTCP(host, *args, **kw)

async def main():
    async with Watched() as reactor:
        endpoint = HostnameEndpoint(reactor, "dual.example", int(sys.argv[1]), attemptDelay=0.02)
        protocol = await asyncio.wait_for(endpoint.connect(ClientFactory.forProtocol(Protocol)), 10)
        print(protocol.transport.getPeer().host)

asyncio.run(main())
try:
    import uvloop
except ImportError:
    asyncio.run(main())
else:
    asyncio.new_event_loop = uvloop.new_event_loop
    asyncio.run(main())
"""


def test_what_the_hosts_file_says(cabled: Network, tmp_path: Path) -> None:
    """A hosts file of its own, and the system's resolver, which knows which version to prefer."""
    hosts = tmp_path / "hosts"
    dead = DEAD["not answered"]["IPv6"]
    hosts.write_text(f"{ALIVE['IPv4']} dual.example\n{dead} dual.example\n")
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    client = [sys.executable, "-c", CLIENT, str(PORT)]
    command = cabled.command("unshare", "--mount", "sh", "-c", script, str(hosts), *client)
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    if "mount" in done.stderr:
        pytest.skip(f"no hosts file of our own: {done.stderr}")
    assert (done.stderr, done.stdout.split()) == ("", [dead, ALIVE["IPv4"], ALIVE["IPv4"]] * 2)
