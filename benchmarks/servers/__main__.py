"""Serve as one peer: the process that is measured.

It serves one workload. Told of several, it prints a port for each, in their order: so one process is enough
to see that a peer does what it should.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from ..loops import new_loop
from ..peers import PEERS
from ..processes import settle_in
from . import BACKLOG, OF_DATAGRAMS, OF_TWISTED, OVER_TLS, WORKLOADS


def main() -> None:
    """Serve what the command line names, until terminated."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description="Run a server.")
    parser.add_argument("peer", choices=PEERS)
    workloads = (*WORKLOADS, *OVER_TLS, *OF_DATAGRAMS, *OF_TWISTED)
    parser.add_argument("workload", nargs="+", choices=workloads)
    parser.add_argument("--core", type=int, help="the core to stay on")
    parser.add_argument("--lifetime", type=int, default=0, help="seconds to live at most (0: no limit)")
    parser.add_argument("--backlog", type=int, default=BACKLOG, help="length of the listen queue")
    parser.add_argument("--certificate", type=Path, help="PEM, with its key: for what is served over TLS")
    options = parser.parse_args()
    settle_in(options.core, options.lifetime)
    serve(options.peer, options.workload, options.backlog, options.certificate)


def serve(name: str, workloads: Sequence[str], backlog: int, certificate: Path | None = None) -> None:
    """Serve ``workloads`` as the peer ``name``; a library is imported by whoever needs it.

    :param certificate: for what is served over TLS: a file, as ``tls_contexts`` makes it.
    """
    peer = PEERS[name]
    if peer.kind not in ("twisted", "ours-twisted"):
        _refuse(name, workloads, OF_TWISTED, "that stands on Twisted")
    if peer.kind == "streams":
        _refuse(name, workloads, OF_DATAGRAMS, "a stream has no datagrams")
    context = None
    if certificate is None:
        _refuse(name, workloads, OVER_TLS, "it was given no certificate")
    else:
        from .tls_contexts import CONTEXTS

        if peer.kind in CONTEXTS:
            context = CONTEXTS[peer.kind](certificate)
        else:
            _refuse(name, workloads, OVER_TLS, "TLS is not among what it is measured at")
    if peer.kind in ("ours", "ours-pyopenssl"):
        from . import ours

        ours.serve(new_loop(peer.loop), workloads, backlog, context)
    elif peer.kind == "ours-twisted":
        from . import ours_twisted

        ours_twisted.serve(new_loop(peer.loop), workloads, backlog, context)
    elif peer.kind == "twisted":
        from . import under_twisted

        under_twisted.serve(peer.loop, workloads, backlog, context)
    elif peer.kind == "protocol":
        from . import asyncio_protocol

        asyncio_protocol.serve(new_loop(peer.loop), workloads, backlog, context)
    elif peer.kind == "streams":
        from . import asyncio_streams

        asyncio_streams.serve(new_loop(peer.loop), workloads, backlog)
    elif peer.kind == "raw":
        from . import raw_epoll

        raw_epoll.serve(workloads, backlog)
    else:
        raise ValueError(f"{name} is no server")


def _refuse(name: str, workloads: Sequence[str], unfit: Collection[str], why: str) -> None:
    """Raise ValueError if some of these are among the workloads."""
    if asked := sorted(set(workloads).intersection(unfit)):
        raise ValueError(f"{name} doesn't serve {' or '.join(asked)}: {why}")


if __name__ == "__main__":
    main()
