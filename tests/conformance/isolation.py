"""A network namespace for each child process, where the machine allows it.

Twisted's tests send multicast and use a link-local IPv6 address; nothing of that should leave the machine.
And no two children, nor anything else here, get in each other's way over a port.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.networks import in_a_network, why_no_network

__all__ = ["isolated", "why_not_isolated"]

# What ip(8) does in a new namespace: a loopback with a link-local address, and a bridge with nobody behind
# it, which takes multicast as a network card does.
NETWORK = """\
link set lo up
address add fe80::1/64 dev lo
link add outside type bridge
link set outside addrgenmode none
address add 192.0.2.1/24 dev outside
address add fe80::2/64 dev outside nodad
link set outside up
route add 224.0.0.0/4 dev outside
"""


def isolated(command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` in a network namespace of its own; ``command`` itself where that
    is impossible."""
    return list(command) if why_not_isolated() else in_a_network(NETWORK, command)


def why_not_isolated() -> str | None:
    """Why children can't have namespaces here; None if they can."""
    return why_no_network(NETWORK)
