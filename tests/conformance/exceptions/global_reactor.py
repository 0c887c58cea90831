"""Of the family "global": what looks into Twisted's own transports and processes."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because

__all__ = ["EXCEPTIONS"]

PROCESS = "twisted.test.test_process."
TCP = "twisted.test.test_tcp."
UNIX = "twisted.test.test_unix."
UNIX_SOCKETS = "twisted.internet.test.test_unix."

INSIDE = "the inside of Twisted's transports"
PROCESSES = "the inside of Twisted's processes"

EXCEPTIONS: tuple[Excepted, ...] = (
    *because(
        INSIDE,
        "_tempDataBuffer and _writeDisconnected of a connection",
        TCP + "HalfCloseTests.testCloseWriteCloser",
    ),
    *because(
        INSIDE,
        "that a port is of Twisted's class",
        UNIX_SOCKETS + "RealSocketTests.test_closePortInProtocolFactory",
    ),
    *because(
        PROCESSES,
        "_neverUseSpawn, and os.execvpe() replaced in a child that Twisted forks",
        PROCESS + "PosixProcessTests.test_executionError",
        PROCESS + "PosixProcessPTYTests.test_executionError",
    ),
    *because(
        PROCESSES,
        "reapProcessHandlers, where Twisted keeps the processes that run",
        PROCESS + "PosixProcessTests.test_errorInProcessEnded",
        PROCESS + "PosixProcessPTYTests.test_errorInProcessEnded",
    ),
    *because(
        PROCESSES,
        "which functions of os, sys, fcntl, pty and signal Twisted's Process calls, in which order",
        PROCESS + "MockProcessTests.*",
    ),
)
