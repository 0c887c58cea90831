"""The servers that are measured: every workload, on every peer.

``__main__`` starts one: ``python -m benchmarks.servers PEER WORKLOAD`` prints its port and serves until it is
terminated. ``twisted_style`` has the workloads as Twisted's API has them, written once, for ``ours`` and
``under_twisted`` to serve; ``asyncio_protocol`` and ``asyncio_streams`` have the same workloads in asyncio's
two ways; ``raw_epoll`` is the least that a server in Python can do. A library is imported only by the server
that needs it, so that no peer pays for another's.
"""

from __future__ import annotations

__all__ = ["BACKLOG", "WORKLOADS"]

BACKLOG = 1024

WORKLOADS = {
    "echo": "sends back what it is sent",
}
"""What each workload's server does, whoever the peer is."""
