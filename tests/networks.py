"""Network namespaces, where the machine allows them: a command in a network of its own, and two networks that
are joined by two cables.

A network here has no name, and nothing holds it but the processes in it and their sockets: it goes with them,
also when they are killed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import pytest

from tests.support import DEADLINE, eventually, skip_without

__all__ = ["BROADCAST", "FAR", "HOME", "Network", "Side", "in_a_network", "joined_networks", "why_no_network"]

CLONE_NEWNET = 0x40000000  # of <linux/sched.h>

# The shell is replaced by the command, and unshare(1) by the shell: the process keeps its number.
SET_UP_AND_RUN = 'printf %s "$0" | ip -batch - && exec "$@"'


def in_a_network(set_up: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` in a new network, which ip(8) has set up as ``set_up`` says."""
    return ["unshare", "--net", "sh", "-c", SET_UP_AND_RUN, set_up, *command]


@cache
def why_no_network(set_up: str) -> str | None:
    """Why there can't be such a network here; None if there can."""
    if not sys.platform.startswith("linux"):
        return "only Linux has them"
    if os.geteuid() != 0:
        return "only root may make them"
    missing = [program for program in ("unshare", "ip") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} missing"
    trial = subprocess.run(in_a_network(set_up, ["true"]), capture_output=True, text=True)
    return None if trial.returncode == 0 else trial.stderr.strip().replace("\n", "; ") or "unshare failed"


class Network:
    """A network namespace with nothing but a loopback, held by a process that waits for its input to end."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            in_a_network("link set lo up\n", ["cat"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.write(b"there\n")
        self._holder.stdin.flush()
        assert self._holder.stdout.readline() == b"there\n"
        self.pid = self._holder.pid
        self._file = f"/proc/{self.pid}/ns/net"

    def close(self) -> None:
        """Let go of it. It is there for as long as a process or a socket is in it."""
        self._holder.communicate(timeout=DEADLINE)

    def command(self, *command: str) -> list[str]:
        """The command line that runs ``command`` in this network."""
        return ["nsenter", f"--net={self._file}", *command]

    def ip(self, commands: str) -> None:
        """Have ip(8) do this in it."""
        subprocess.run(self.command("ip", "-batch", "-"), input=commands, text=True, check=True)

    def ready(self) -> set[str]:
        """The interfaces that carry what is sent by them: the kernel sees to that, shortly after both ends of
        a cable are up, and then adds the route for IPv6's groups, as the last thing."""
        with self.inside(), open("/proc/thread-self/net/ipv6_route") as table:
            routes = [line.split() for line in table]
        return {route[-1] for route in routes if route[:2] == ["ff".ljust(32, "0"), "08"]}

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread makes in the block is made in this network: a socket stays where it was made, and
        processes and threads begin where their maker is."""
        with open("/proc/thread-self/ns/net") as before, open(self._file) as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(network, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Side:
    """One end of both cables: which addresses it has there.

    :ivar local: its link-local address, which is the same at either cable: without the scope nobody knows
        which is meant.
    :ivar ipv4: its address at each cable; likewise ``ipv6``, and ``index``, the number of the interface.
    """

    def __init__(self, number: int) -> None:
        self.local = f"fe80::{number}"
        self.ipv4 = {"one": f"192.0.2.{number}", "two": f"198.51.100.{number}"}
        self.ipv6 = {"one": f"2001:db8:1::{number}", "two": f"2001:db8:2::{number}"}
        self.index = {"one": 10 * number + 1, "two": 10 * number + 2}

    def set_up(self) -> str:
        """What ip(8) is told."""
        return "".join(
            f"link set {name} addrgenmode none\n"
            f"address add {self.ipv4[name]}/24 brd + dev {name}\n"
            f"address add {self.ipv6[name]}/64 dev {name} nodad\n"
            f"address add {self.local}/64 dev {name} nodad\n"
            f"link set {name} up\n"
            for name in ("one", "two")
        )


HOME, FAR = Side(1), Side(2)
BROADCAST = {"one": "192.0.2.255", "two": "198.51.100.255"}

CABLES = "".join(
    f"link add {name} index {HOME.index[name]} type veth peer name {name} index {FAR.index[name]} netns %d\n"
    for name in ("one", "two")
)
TRIAL = "link set lo up\nlink add one type veth peer name two\nlink set one addrgenmode none\n"


@contextmanager
def joined_networks() -> Iterator[tuple[Network, Network]]:
    """Two networks, of which the first is :data:`HOME` and the second is :data:`FAR`, joined by the cables
    ``one`` and ``two``. There is no way out of them, and none from one cable to the other."""
    if (why := why_no_network(TRIAL)) is not None:
        if "missing" in why:
            skip_without("ip", "apt-get install iproute2")
        pytest.skip(f"no network namespaces: {why}")
    home = Network()
    try:
        far = Network()
        try:
            home.ip(CABLES.replace("%d", str(far.pid)) + HOME.set_up())
            far.ip(FAR.set_up())
            eventually(lambda: all({"one", "two"} <= network.ready() for network in (home, far)))
            yield home, far
        finally:
            far.close()
    finally:
        home.close()
