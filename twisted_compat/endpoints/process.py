"""A child process, as a place to connect to: what it writes to its standard output is what a protocol
receives, and what the protocol writes goes to its standard input.

Private names are the ones of Twisted's: programs and Twisted's tests reach for them.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer, providedBy

from twisted_compat.interfaces import IStreamClientEndpoint
from twisted_compat.interfaces.process import NO_VARIABLES
from twisted_compat.protocol import ProcessProtocol
from twisted_compat.transport.process_pipes import PipeAddress
from twisted_compat.vocabulary import Vocabulary, vocabulary_of

__all__ = ["ProcessEndpoint", "StandardErrorBehavior"]

Path = str | bytes | os.PathLike[Any]


class StandardErrorBehavior(enum.Enum):
    """What is done with what a child writes to its standard error."""

    LOG = "log"
    """It is logged, as a warning."""
    DROP = "drop"
    """It is dropped."""


@implementer(IStreamClientEndpoint)
class ProcessEndpoint:
    """Starts a child process for each connection. The factory isn't told that it is in use (``doStart``), as
    in Twisted: it has no port and no connector.

    :param errFlag: a :class:`StandardErrorBehavior`.

    The other parameters are those of ``reactor.spawnProcess``.
    """

    def __init__(
        self,
        reactor: Any,
        executable: Path,
        args: Sequence[Path] = (),
        env: Mapping[Any, Any] | None = NO_VARIABLES,
        path: Path | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | int | Sequence[Any] = 0,
        childFDs: Mapping[int, int | str] | None = None,
        errFlag: StandardErrorBehavior = StandardErrorBehavior.LOG,
    ) -> None:
        self._reactor = reactor
        self._executable = executable
        self._args = args
        self._env = env
        self._path = path
        self._uid = uid
        self._gid = gid
        self._usePTY = usePTY
        self._childFDs = childFDs
        self._errFlag = errFlag
        self._spawnProcess = reactor.spawnProcess

    def connect(self, protocolFactory: Any) -> Any:
        """Start the program (IStreamClientEndpoint).

        The protocol's ``connectionLost`` hears ConnectionDone when the program has ended with exit status 0,
        else the ProcessTerminated that says how it ended.

        :returns: a Deferred of the protocol. It fails with OSError if the program can't be started, with
            NoProtocol, or with what the factory raised.
        """
        return vocabulary_of(self._reactor).defer.execute(self._spawn, protocolFactory)

    def _spawn(self, factory: Any) -> Any:
        words = vocabulary_of(self._reactor)
        protocol = factory.buildProtocol(PipeAddress())
        if protocol is None:
            raise words.error.NoProtocol
        wrapper = _WrapIProtocol(protocol, self._executable, self._errFlag, words)
        self._spawnProcess(
            wrapper,
            self._executable,
            self._args,
            self._env,
            self._path,
            self._uid,
            self._gid,
            self._usePTY,
            self._childFDs,
        )
        return protocol if wrapper.refused is None else wrapper.refused


class _WrapIProtocol(ProcessProtocol):
    """Tells a stream's protocol what a child process does.

    :param proto: the IProtocol.
    :param executable: the program, for the log.
    :param errFlag: what to do with its standard error.
    :param words: whose errors.
    :ivar refused: the Failure that the protocol's connectionMade raised.
    """

    def __init__(
        self, proto: Any, executable: Path, errFlag: StandardErrorBehavior, words: Vocabulary
    ) -> None:
        self.protocol = proto
        self.executable = executable
        self.errFlag = errFlag
        self.refused: Any = None
        self._words = words

    def makeConnection(self, process: Any) -> None:
        self.transport = _ProcessEndpointTransport(process)
        try:
            self.protocol.makeConnection(self.transport)
        except Exception:
            self.refused = self._words.failure.Failure()
            process.loseConnection()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == 1:
            try:
                self.protocol.dataReceived(data)
            except BaseException:
                self.transport.loseConnection()  # of all of the process: its other pipes too
                raise
        elif childFD == 2 and self.errFlag is StandardErrorBehavior.LOG:
            self._words.log.warning(
                "Process %r wrote to its standard error, which %r doesn't read: %r",
                self.executable,
                self.protocol,
                data,
            )

    def childConnectionLost(self, childFD: int) -> None:
        if childFD in (0, 1) and self._words.interfaces.IHalfCloseableProtocol.providedBy(self.protocol):
            if childFD == 1:
                self.protocol.readConnectionLost()
            else:
                self.protocol.writeConnectionLost()

    def processEnded(self, reason: Any) -> None:
        if reason.check(self._words.error.ProcessDone) is not None:
            reason = self._words.failure.Failure(self._words.error.ConnectionDone())
        self.protocol.connectionLost(reason)


class _ProcessEndpointTransport:
    """The process as its protocol has it: what a stream's transport does, and what IProcessTransport has; not
    what else a kind of process may have.

    :ivar _process: the IProcessTransport.
    """

    NAMES = frozenset(
        (
            *("write", "writeSequence", "loseConnection", "getHost", "getPeer"),
            *("registerProducer", "unregisterProducer", "pauseProducing", "resumeProducing", "stopProducing"),
            *("writeToChild", "closeChildFD", "closeStdin", "closeStdout", "closeStderr"),
            *("signalProcess", "pid"),
        )
    )

    def __init__(self, process: Any) -> None:
        self._process = process

    @property
    def __providedBy__(self) -> Any:  # where zope.interface looks
        return providedBy(self._process)

    def __getattr__(self, name: str) -> Any:
        if name not in self.NAMES:
            raise AttributeError(f"The transport of a ProcessEndpoint has no {name!r}.")
        value = getattr(self._process, name)
        if callable(value):
            setattr(self, name, value)  # straight to the process from now on
        return value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._process!r}>"
