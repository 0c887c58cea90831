"""Of the family "reactor": what looks into Twisted's own transports."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because

__all__ = ["EXCEPTIONS"]

FDSET = "twisted.internet.test.test_fdset."
PROCESS = "twisted.internet.test.test_process."
UNIX = "twisted.internet.test.test_unix."

SELECTORS = "what selectors can't notice"
MACHINE = "the machine it runs on"
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
        MACHINE,
        "run as root, the interpreter must be one that another user may execute too",
        PROCESS + "ProcessTestsBuilder.test_changeUID",
        PROCESS + "PTYProcessTestsBuilder.test_changeUID",
        steady=False,
    ),
    *because(
        INSIDE,
        "the sockets of Twisted's own ports, which it replaces",
        UNIX + "UNIXTestsBuilder.test_listenFailure",
    ),
)
