"""Connections wait at a port and can't be accepted, for want of a descriptor or of memory: what it does about
it, as the port would stay readable for ever.

Used by :mod:`.tcp_listen`.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted_compat.transport.delayed import call_off

__all__ = ["ABOUT_ONE_CONNECTION", "Shortage", "SpareDescriptor"]

# What accept() says about the connection it was about to hand out, as against the listening socket: see
# accept(2) on the errors that Linux passes on from a connection already dead, and on EPERM from a firewall.
ABOUT_ONE_CONNECTION = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "EPERM", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH",
        "EOPNOTSUPP", "ENETUNREACH",
    )
    if hasattr(errno, name)
)  # fmt: skip

PAUSE = 1.0
"""Seconds without accepting, when accepting is impossible and shedding is too."""

BURST_GAP = 1.0
"""Seconds of quiet after which running out of descriptors is news again."""

_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


class Shortage:
    """One port's ways to cope: to close waiting connections, which tells their clients; or to wait.

    :ivar spare: makes room for the former.
    """

    def __init__(self) -> None:
        self.spare = SpareDescriptor()
        self._resume: Any = None
        self._last: float | None = None

    def prepare(self) -> None:
        """Be ready for the next one."""
        self.spare.reserve()

    def end(self) -> None:
        """The port is closed."""
        self.spare.release()

    def deal_with(self, port: Any, exc: OSError, skt: socket.socket) -> None:
        """``skt.accept()`` raised something that is not about one connection.

        :param port: has ``startReading``, ``stopReading`` and ``numberAccepts``.
        """
        shed = self._shed(skt, port.numberAccepts) if exc.errno in _NO_DESCRIPTOR else None
        if shed is None:
            port.stopReading()
            self._resume = port.reactor.callLater(PAUSE, self._accept_again, port)
            self._log(port, exc, f"no connection is accepted for {PAUSE:g} s")
        else:
            self._log(port, exc, f"waiting connections are being closed ({shed} at once)")

    def _shed(self, skt: socket.socket, most: int) -> int | None:
        """Close waiting connections by way of the spare descriptor. Returns how many; None if impossible."""
        if not self.spare.release():
            return None
        count = 0
        try:
            for _ in range(most):
                try:
                    connection, _client = skt.accept()
                except BlockingIOError:
                    break
                except OSError as exc:
                    if exc.errno in ABOUT_ONE_CONNECTION:
                        continue
                    return count or None  # another thread was faster, or the whole machine is out of files
                connection.close()
                count += 1
        finally:
            self.spare.reserve()
        return count

    def _log(self, port: Any, exc: OSError, consequence: str) -> None:
        """One line for each burst, however long it lasts."""
        now = port.reactor.seconds()
        last, self._last = self._last, now
        if last is None or now - last > BURST_GAP + PAUSE:
            port.reactor.vocabulary.log.warning(
                "%s cannot accept: %s; %s. Raise the limit (ulimit -n), or accept less.",
                port,
                exc,
                consequence,
            )

    def _accept_again(self, port: Any) -> None:
        self._resume = None
        self.spare.reserve()
        port.startReading()

    def stop_waiting(self) -> None:
        """The port accepts again, or no more."""
        call_off(self._resume)
        self._resume = None


class SpareDescriptor:
    """A file descriptor kept open to be given up when there is no other.

    A listening socket whose queue cannot be accepted for want of a descriptor stays readable for ever. Giving
    up the spare makes room to accept the waiting connections one by one and close them, which tells their
    clients.
    """

    def __init__(self) -> None:
        self._fd: int | None = None

    def reserve(self) -> bool:
        """Hold a descriptor. Returns whether one is held now: False means that there was none to be had."""
        if self._fd is None:
            try:
                self._fd = os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            except OSError:
                return False  # the answer, and what the caller acts upon
        return True

    def release(self) -> bool:
        """Give it up. Returns whether there was one."""
        fd, self._fd = self._fd, None
        if fd is None:
            return False
        os.close(fd)
        return True
