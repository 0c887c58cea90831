"""Of the family "global": what looks into Twisted's own transports and processes, and what is open."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because, until_there_is

__all__ = ["EXCEPTIONS"]

CGI = "twisted.web.test.test_cgi."
INTERNET = "twisted.test.test_internet."
IUTILS = "twisted.test.test_iutils."
MAIN = "twisted.test.test_main."
PROCESS = "twisted.test.test_process."
SENDMSG = "twisted.python.test.test_sendmsg."
STDIO = "twisted.test.test_stdio."
TCP = "twisted.test.test_tcp."
THREADS = "twisted.test.test_threads."
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
    *until_there_is(
        "process",
        CGI + "CGIScriptTests.test_urlParameters",
        CGI + "CGITests.test_CGI",
        CGI + "CGITests.test_ReadAllInput",
        CGI + "CGITests.test_ReadEmptyInput",
        CGI + "CGITests.test_ReadInput",
        CGI + "CGITests.test_duplicateHeaderCGI",
        CGI + "CGITests.test_malformedHeaderCGI",
        CGI + "CGITests.test_noDuplicateContentTypeHeaders",
        CGI + "CGITests.test_noProxyPassthrough",
        CGI + "CGITests.test_protectedServerAndDate",
        INTERNET + "ResolveTests.testChildResolve",
        IUTILS + "ProcessUtilsTests.*",
        MAIN + "MainTests.test_trial",
        MAIN + "MainTests.test_twisted",
        PROCESS + "ClosingPipesTests.*",
        PROCESS + "FDTests.*",
        PROCESS + "PosixProcessPTYTests.*",
        PROCESS + "PosixProcessTests.*",
        PROCESS + "ProcessTests.*",
        PROCESS + "TwoProcessesPosixTests.*",
        SENDMSG + "SendmsgTests.test_sendSubProcessFD",
        THREADS + "StartupBehaviorTests.testCallBeforeStartupUnexecuted",
        UNIX + "UnixSocketTests.test_connectToUncleanServer",
        UNIX + "UnixSocketTests.test_uncleanServerSocketLocking",
    ),
    *until_there_is(
        "stdio",
        STDIO + "StandardInputOutputTests.test_buggyReadConnectionLost",
        STDIO + "StandardInputOutputTests.test_buggyWriteConnectionLost",
        STDIO + "StandardInputOutputTests.test_consumer",
        STDIO + "StandardInputOutputTests.test_hostAndPeer",
        STDIO + "StandardInputOutputTests.test_lastWriteReceived",
        STDIO + "StandardInputOutputTests.test_loseConnection",
        STDIO + "StandardInputOutputTests.test_producer",
        STDIO + "StandardInputOutputTests.test_readConnectionLost",
        STDIO + "StandardInputOutputTests.test_write",
        STDIO + "StandardInputOutputTests.test_writeSequence",
    ),
)
