"""Making the socket of a port: the part of starting that all kinds of ports have in common.

Used by :mod:`.tcp_listen`, :mod:`.unix` and :mod:`.datagram`; :mod:`.closing` has the end.
"""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["open_socket"]


def open_socket(port: Any) -> socket.socket:
    """A new socket at the place that a port was asked for.

    :param port: has ``createInternetSocket``; ``_take_place``, which binds one; ``_leave_place``, which
        leaves nothing behind of that; and says where that is with ``interface`` and ``port``.
    :raises CannotListenError: if the system refuses.
    """
    skt: socket.socket | None = None
    try:
        skt = port.createInternetSocket()
        port._take_place(skt)
    except BaseException as exc:
        if skt is not None:
            skt.close()
        port._leave_place()
        if isinstance(exc, OSError):
            raise port.reactor.vocabulary.error.CannotListenError(port.interface, port.port, exc) from exc
        raise
    assert skt is not None
    return skt
