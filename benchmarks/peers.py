"""Who there is to compare: a table, and the groups of them that scenarios name."""

from __future__ import annotations

from .model import Peer

__all__ = ["BARE", "LIBRARIES", "OTHER_TLS", "PEERS", "SERVERS", "TWISTED_STYLE", "TWISTED_WORDS"]

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("ours-asyncio", "ours", "asyncio", "twisted-compat on asyncio"),
        Peer("ours-uvloop", "ours", "uvloop", "twisted-compat on uvloop", ("uvloop",)),
        # Ours with pyOpenSSL's contexts instead of the standard library's.
        Peer("ours-pyopenssl-asyncio", "ours-pyopenssl", "asyncio", "ours, pyOpenSSL, asyncio", ("OpenSSL",)),
        Peer(
            "ours-pyopenssl-uvloop",
            "ours-pyopenssl",
            "uvloop",
            "ours, pyOpenSSL, uvloop",
            ("OpenSSL", "uvloop"),
        ),
        # Ours with an installed Twisted's own types: its Protocol classes, on our transports.
        Peer("ours-twisted-asyncio", "ours-twisted", "asyncio", "Twisted on ours, asyncio", ("twisted",)),
        Peer(
            "ours-twisted-uvloop", "ours-twisted", "uvloop", "Twisted on ours, uvloop", ("twisted", "uvloop")
        ),
        Peer("twisted-epoll", "twisted", "epoll", "Twisted, epollreactor", ("twisted",)),
        Peer("twisted-asyncio", "twisted", "asyncio", "Twisted, asyncioreactor", ("twisted",)),
        Peer("twisted-uvloop", "twisted", "uvloop", "Twisted, reactor on uvloop", ("twisted", "uvloop")),
        Peer("protocol-asyncio", "protocol", "asyncio", "asyncio.Protocol"),
        Peer("protocol-uvloop", "protocol", "uvloop", "asyncio.Protocol on uvloop", ("uvloop",)),
        Peer("streams-asyncio", "streams", "asyncio", "asyncio streams"),
        Peer("streams-uvloop", "streams", "uvloop", "asyncio streams on uvloop", ("uvloop",)),
        Peer("raw-epoll", "raw", "epoll", "a bare epoll loop in Python"),
        # Where there is no server: an event loop by itself, a library without a loop.
        Peer("bare-asyncio", "bare", "asyncio", "asyncio itself"),
        Peer("bare-uvloop", "bare", "uvloop", "uvloop itself", ("uvloop",)),
        Peer("ours", "ours", "none", "twisted-compat, no loop"),
        Peer("twisted", "twisted", "none", "Twisted, no loop", ("twisted",)),
    )
}

TWISTED_STYLE = ("ours-asyncio", "ours-uvloop", "twisted-epoll", "twisted-asyncio", "twisted-uvloop")
"""All that have a reactor."""

SERVERS = (*TWISTED_STYLE, "protocol-asyncio", "protocol-uvloop", "streams-asyncio", "streams-uvloop")
"""All that a user would write a server with."""

TWISTED_WORDS = ("ours-twisted-asyncio", "ours-twisted-uvloop")
"""Ours where Twisted's own types are spoken. They take part where that may make a difference: everywhere else
their figures would be those of ours, once more."""

OTHER_TLS = ("ours-pyopenssl-asyncio", "ours-pyopenssl-uvloop")
"""Ours with the other TLS library; without TLS they would be ours, once more."""

BARE = ("bare-asyncio", "bare-uvloop")
LIBRARIES = ("ours", "twisted")
