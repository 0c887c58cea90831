"""Of the family "reactor": what looks into Twisted's own transports, and what is open."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because, until_there_is

__all__ = ["EXCEPTIONS"]

FDSET = "twisted.internet.test.test_fdset."
PROCESS = "twisted.internet.test.test_process."
UNIX = "twisted.internet.test.test_unix."

SELECTORS = "what selectors can't notice"
INSIDE = "the inside of Twisted's transports"

EXCEPTIONS: tuple[Excepted, ...] = (
    *because(
        SELECTORS,
        "epoll says nothing of a descriptor that was closed; Twisted's reactors on it are left out by name",
        FDSET + "ReactorFDSetTestsBuilder.test_lostFileDescriptor",
        loops=("asyncio",),
    ),
    *because(
        INSIDE,
        "_neverUseSpawn, and os.execvpe() replaced in a child that Twisted forks",
        PROCESS + "ProcessTestsBuilder.test_errorDuringExec",
        PROCESS + "PTYProcessTestsBuilder.test_errorDuringExec",
    ),
    *because(
        INSIDE,
        "the sockets of Twisted's own ports, which it replaces",
        UNIX + "UNIXTestsBuilder.test_listenFailure",
    ),
    *until_there_is(
        "process",
        PROCESS + "ProcessTestsBuilder.*",
        PROCESS + "PTYProcessTestsBuilder.*",
    ),
)
