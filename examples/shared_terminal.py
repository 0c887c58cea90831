"""A program in a terminal that outlives the window it was started from, and that several windows can share.

``python examples/shared_terminal.py serve /tmp/shell bash`` runs bash in a pseudo-terminal, until it exits or
Ctrl-C; ``python examples/shared_terminal.py attach /tmp/shell``, from as many windows as you like, shows it
and types into it. Ctrl-] detaches a window. The socket has the permissions 0600: nobody else may attach.

Both sides are Twisted-style protocols in an asyncio program: a ProcessProtocol on a terminal and a Protocol
on a UNIX socket serve, a Protocol on the standard input and output attaches. A new window first says how
large it is, as ``rows columns`` and a newline; all else goes through as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from twisted_compat import AsyncioReactor
from twisted_compat.protocol import ClientFactory, ProcessProtocol, Protocol, ServerFactory
from twisted_compat.stdio import StandardIO

DETACH = b"\x1d"  # Ctrl-]
KEPT = 64 * 1024
"""Bytes of what was shown that a new window gets, to begin with."""
SIZE = re.compile(rb"\d{1,4} \d{1,4}")
LONGEST_SIZE = 9  # bytes


# Serving


class Terminal(ProcessProtocol):
    """The program in its terminal, and the windows that show it.

    :ivar behind: windows that don't take what they are sent as fast as it comes: the program waits for them.
    :ivar exited: the exit code, in the end; 1 if a signal ended it.
    """

    def __init__(self) -> None:
        self.windows: set[Window] = set()
        self.behind: set[Window] = set()
        self.shown = bytearray()
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def outReceived(self, data: bytes) -> None:
        self.shown += data
        del self.shown[:-KEPT]
        for window in self.windows:
            window.transport.write(data)

    def processEnded(self, reason: Any) -> None:
        for window in self.windows:
            window.transport.unregisterProducer()  # a producer that there is would be waited for
            window.transport.loseConnection()
        code = reason.value.exitCode
        if not self.exited.done():  # nobody cares where it was stopped
            self.exited.set_result(1 if code is None else code)

    def wait_for(self, window: Window) -> None:
        """Show nothing more until this window has caught up."""
        self.behind.add(window)
        self.transport.pauseProducing()

    def go_on(self, window: Window) -> None:
        """This window has caught up, or is gone."""
        self.behind.discard(window)
        if not self.behind:
            self.transport.resumeProducing()


class Window(Protocol):
    """A connection from a window. For its transport it is the producer of what the terminal shows."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.begin = b""

    def dataReceived(self, data: bytes) -> None:
        if self not in self.terminal.windows:
            self.begin += data
            size, newline, data = self.begin.partition(b"\n")
            if newline and SIZE.fullmatch(size):
                self.open(*map(int, size.split()))
            elif newline or len(size) > LONGEST_SIZE:  # it isn't one of ours
                self.transport.abortConnection()
                return
        self.terminal.transport.write(data)

    def open(self, rows: int, columns: int) -> None:
        """From now on this window shows the terminal."""
        self.terminal.transport.set_window_size(rows, columns)
        self.terminal.windows.add(self)
        self.transport.registerProducer(self, True)
        self.transport.write(bytes(self.terminal.shown))

    def connectionLost(self, reason: Any = None) -> None:
        self.terminal.windows.discard(self)
        self.terminal.go_on(self)

    def pauseProducing(self) -> None:
        self.terminal.wait_for(self)

    def resumeProducing(self) -> None:
        self.terminal.go_on(self)

    def stopProducing(self) -> None:
        pass  # connectionLost does


async def serve(path: str, command: list[str]) -> int:
    """Run a program in a terminal, for those who attach at ``path``. Returns its exit code."""
    async with AsyncioReactor() as reactor:
        terminal = Terminal()
        reactor.listenUNIX(path, ServerFactory.forProtocol(partial(Window, terminal)), mode=0o600)
        reactor.spawnProcess(terminal, command[0], command, env=None, usePTY=True)
        return await terminal.exited


# Attaching


class Shown(Protocol):
    """The connection to the terminal: what comes is shown."""

    def connectionMade(self) -> None:
        columns, rows = shutil.get_terminal_size()
        self.transport.write(b"%d %d\n" % (rows, columns))
        self.output = StandardIO(Typed(self.transport))
        self.output.registerProducer(self.transport, True)  # shows no faster than the window does

    def dataReceived(self, data: bytes) -> None:
        self.output.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.output.unregisterProducer()
        self.output.loseConnection()  # when all is shown


class Typed(Protocol):
    """This window's input: what is typed is sent."""

    def __init__(self, terminal: Any) -> None:
        self.terminal = terminal

    def dataReceived(self, data: bytes) -> None:
        typed, detach, _ = data.partition(DETACH)
        self.terminal.write(typed)
        if detach:
            self.terminal.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        self.terminal.loseConnection()


class Attaching(ClientFactory):
    """Connects, and says when that has come to an end."""

    protocol = Shown

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        self.ended.set_exception(reason.value)

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        self.ended.set_result(None)


@contextmanager
def each_key_by_itself() -> Iterator[None]:
    """While the block runs, what is typed comes as it is, Ctrl-C too, and isn't echoed."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)


async def attach(path: str) -> None:
    """Show the terminal that is served at ``path`` until it ends, or the window detaches."""
    with each_key_by_itself():
        async with AsyncioReactor() as reactor:
            attaching = Attaching()
            reactor.connectUNIX(path, attaching)
            await attaching.ended


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a program in a terminal that windows share.")
    what = parser.add_subparsers(dest="what", required=True)
    serving = what.add_parser("serve", help="run a program")
    attaching = what.add_parser("attach", help="show it, and type")
    for each in (serving, attaching):
        each.add_argument("socket", help="path of the socket by which the two find each other")
    serving.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    options = parser.parse_args()
    if options.what == "serve":
        sys.exit(asyncio.run(serve(options.socket, options.command or ["sh"])))
    asyncio.run(attach(options.socket))


if __name__ == "__main__":
    main()
