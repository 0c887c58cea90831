"""The errors a reactor, its transports and its timers raise or hand to ``connectionLost``: the table of
twisted.internet.error.

Names, bases, constructor arguments and attributes are Twisted's, so ``except``, ``Failure.trap`` and
``reason.check`` of legacy code mean the same; the wording is this package's. Several names here shadow
builtins (``ConnectionRefusedError``, ``TimeoutError``): import the module, not the names.
:func:`getConnectError` is the one place where an ``OSError`` of a connection attempt becomes an error of this
table; the transports in ``transport/`` call it through their reactor's vocabulary.

Two ways of speaking, chosen by each class's ``__str__``: :func:`_meaning_then_arguments` always says what the
class means and then the arguments; :func:`_arguments_or_meaning` lets the arguments, a sentence of their own,
stand for themselves. Both read the class attribute ``MESSAGE``, which a subclass may replace. Every error
here can be pickled and copied.
"""

from __future__ import annotations

import builtins
import errno
from typing import Any, Protocol


class _Meaningful(Protocol):
    """An exception whose class says in ``MESSAGE`` what it means."""

    MESSAGE: str
    args: tuple[Any, ...]


def _meaning_then_arguments(error: _Meaningful) -> str:
    """``meaning: argument argument.``; without arguments ``meaning.``"""
    if not error.args:
        return f"{error.MESSAGE}."
    return f"{error.MESSAGE}: {' '.join(map(str, error.args))}."


def _arguments_or_meaning(error: _Meaningful) -> str:
    """The arguments, as any exception shows them; without arguments ``meaning.``"""
    if not error.args:
        return f"{error.MESSAGE}."
    return str(error.args[0]) if len(error.args) == 1 else str(error.args)


def _rebuild(
    cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any] | None = None
) -> BaseException:
    """Make an exception again from what it held, without its ``__init__``.

    ``BaseException`` pickles by calling the class with ``args``, which is wrong wherever ``args`` (what
    ``str`` shows) are not the constructor's arguments.
    """
    error = cls.__new__(cls)
    error.args = args
    if state:
        error.__dict__.update(state)
    return error


def _reduce(error: BaseException) -> tuple[Any, ...]:
    return _rebuild, (type(error), error.args, error.__dict__.copy())


# --- binding, sending, looking up ---------------------------------------------------------------------------


class BindError(Exception):
    """A local address could not be taken."""

    MESSAGE = "Could not bind to the local address"
    __str__ = _meaning_then_arguments


class CannotListenError(BindError):
    """A port could not start listening. Raised by ``listenTCP`` and its siblings.

    :ivar interface: the local address asked for; ``""`` or None is every interface.
    :ivar port: the port number, or the path of a UNIX socket.
    :ivar socketError: the ``OSError`` that said no.
    """

    MESSAGE = "Cannot listen"

    def __init__(self, interface: str | None, port: Any, socketError: Any) -> None:
        super().__init__(interface, port, socketError)
        self.interface = interface
        self.port = port
        self.socketError = socketError

    def __str__(self) -> str:
        if isinstance(self.port, int):
            where = f"{self.interface or 'any interface'}, port {self.port}"
        elif isinstance(self.port, bytes):
            where = self.port.decode("utf-8", "backslashreplace")
        else:
            where = str(self.port)
        return f"{self.MESSAGE} on {where}: {self.socketError}."


class MulticastJoinError(Exception):
    """A multicast group could not be joined or left."""

    MESSAGE = "Could not change the membership of a multicast group"
    __str__ = _arguments_or_meaning


class MessageLengthError(Exception):
    """A datagram is longer than the network sends."""

    MESSAGE = "The message is longer than can be sent"
    __str__ = _meaning_then_arguments


class DNSLookupError(IOError):
    """A host name has no address, or nobody could say which. What ``IReactorCore.resolve`` fails with."""

    MESSAGE = "The host name could not be resolved"
    __str__ = _meaning_then_arguments


class ConnectInProgressError(Exception):
    """The operation has to wait until the connection attempt under way has ended."""

    MESSAGE = "A connection attempt is already under way"
    __str__ = _arguments_or_meaning


# --- connecting: the reason that clientConnectionFailed gets ------------------------------------------------


class ConnectError(Exception):
    """A connection could not be made; the subclasses say why.

    :param osError: the errno (an int) of the attempt, or None.
    :param string: what the operating system said about it.
    :ivar osError: as given.
    """

    MESSAGE = "Could not connect"

    def __init__(self, osError: Any = None, string: Any = "") -> None:
        super().__init__(string)
        self.osError = osError

    def __str__(self) -> str:
        said = [self.MESSAGE]
        if self.osError is not None and self.osError != "":
            said.append(str(self.osError))
        said.extend(text for text in map(str, self.args) if text)
        return f"{': '.join(said)}."

    __reduce__ = _reduce


class ConnectBindError(ConnectError):
    """The local address asked for as ``bindAddress`` could not be taken."""

    MESSAGE = "Could not bind the local address to connect from"


class UnknownHostError(ConnectError):
    """The name of the host to connect to could not be resolved."""

    MESSAGE = "The host to connect to is not known"


class NoRouteError(ConnectError):
    """The network has no way to the host."""

    MESSAGE = "There is no route to the host"


class ConnectionRefusedError(ConnectError):
    """Nobody listens there, or a firewall said no."""

    MESSAGE = "The other side refused the connection"


class TCPTimedOutError(ConnectError):
    """The operating system gave up waiting for an answer to the connection attempt."""

    MESSAGE = "The TCP connection attempt got no answer in time"


class BadFileError(ConnectError):
    """The path of a UNIX socket is not a usable socket."""

    MESSAGE = "The file is not a UNIX socket that can be used"


class ServiceNameUnknownError(ConnectError):
    """The port was given as a service name that the services database lacks."""

    MESSAGE = "The port was given as a service name that is not known"


class UserError(ConnectError):
    """The program gave the attempt up: ``stopConnecting`` or ``disconnect`` on its connector."""

    MESSAGE = "The program gave up the connection attempt"


class TimeoutError(UserError):
    """The ``timeout`` of ``connectTCP`` (seconds) ran out first. Not the builtin of that name."""

    MESSAGE = "The time allowed for connecting has passed"


class SSLError(ConnectError):
    """TLS failed while connecting."""

    MESSAGE = "TLS failed"


class VerifyError(Exception):
    """Something that should carry a valid signature does not."""

    MESSAGE = "A signature that was required is missing or wrong"
    __str__ = _arguments_or_meaning


class PeerVerifyError(VerifyError):
    """The peer did not accept what was sent to prove who we are."""

    MESSAGE = "The peer did not accept our proof of identity"


class CertificateError(Exception):
    """A certificate that should be there is not."""

    MESSAGE = "A certificate was expected and is not there"
    __str__ = _arguments_or_meaning


errnoMapping: dict[int, type[ConnectError]] = {
    errno.ENETUNREACH: NoRouteError,
    errno.EHOSTUNREACH: NoRouteError,
    errno.ECONNREFUSED: ConnectionRefusedError,
    errno.ETIMEDOUT: TCPTimedOutError,
}
"""errno of a connection attempt -> the class that means it; any other is a plain :class:`ConnectError`."""


def getConnectError(e: BaseException | tuple[int, str]) -> ConnectError:
    """Translate what a socket raised while connecting.

    :param e: normally an ``OSError``; a two-argument exception, or a pair, is read as (errno, text);
        anything else is only quoted.
    :returns: an instance of the matching subclass of :class:`ConnectError`, with the errno as ``osError``.
    """
    from socket import gaierror  # here, because the vocabulary imports no socket

    arguments = e if isinstance(e, tuple) else e.args
    number, text = arguments if len(arguments) == 2 else (None, str(e))
    if isinstance(e, gaierror):  # its numbers are EAI codes, which mean other things as an errno
        return UnknownHostError(number, text)
    if number is None:  # raised by Python code and not by the system: the class is all that there is
        if isinstance(e, builtins.ConnectionRefusedError):
            return ConnectionRefusedError(None, text)
        if isinstance(e, builtins.TimeoutError):
            return TCPTimedOutError(None, text)
        return ConnectError(None, text)
    cls = errnoMapping.get(number, ConnectError) if isinstance(number, int) else ConnectError
    return cls(number, text)


# --- the end of a connection: the reason that connectionLost gets -------------------------------------------


class ConnectionClosed(Exception):
    """A connection has ended; its two subclasses say whether cleanly."""

    MESSAGE = "The connection has ended"
    __str__ = _arguments_or_meaning


class ConnectionLost(ConnectionClosed):
    """The connection ended in a way that nobody asked for: reset, timed out, an error reading or writing."""

    MESSAGE = "The connection was not closed cleanly"
    __str__ = _meaning_then_arguments


class ConnectionAborted(ConnectionLost):
    """This side called ``abortConnection``."""

    MESSAGE = "This side aborted the connection with abortConnection"


class ConnectionDone(ConnectionClosed):
    """The connection was closed in the orderly way, by either side."""

    MESSAGE = "The connection was closed cleanly"
    __str__ = _meaning_then_arguments


class FileDescriptorOverrun(ConnectionLost):
    """``sendFileDescriptor`` was called more often than bytes were written to carry the descriptors."""

    MESSAGE = "More file descriptors were sent than bytes to carry them, so the connection was closed"


class ConnectionFdescWentAway(ConnectionLost):
    """The file descriptor under a transport was closed by somebody else."""

    MESSAGE = "The connection's file descriptor was closed behind its back"


# --- delayed calls ------------------------------------------------------------------------------------------


class AlreadyCalled(ValueError):
    """A delayed call was cancelled or moved after it ran."""

    MESSAGE = "The delayed call has already run"
    __str__ = _meaning_then_arguments


class AlreadyCancelled(ValueError):
    """A delayed call was cancelled or moved after it was cancelled."""

    MESSAGE = "The delayed call was already cancelled"
    __str__ = _meaning_then_arguments


# --- processes: the reason that processEnded gets -----------------------------------------------------------


class PotentialZombieWarning(Warning):
    """Children may stay unreaped. Legacy code filters it; nothing here issues it."""


class ProcessDone(ConnectionDone):
    """A child process ended with exit code 0.

    :ivar status: the raw status, as from ``os.waitpid``.
    :ivar exitCode: 0.
    :ivar signal: None.
    """

    MESSAGE = "The process ended without error"

    def __init__(self, status: int | None) -> None:
        super().__init__("it exited with code 0")
        self.exitCode = 0
        self.signal = None
        self.status = status

    __reduce__ = _reduce


class ProcessTerminated(ConnectionLost):
    """A child process ended with another exit code than 0, or by a signal.

    :ivar exitCode: the exit code, or None if a signal ended it.
    :ivar signal: the number of that signal, or None.
    :ivar status: the raw status, as from ``os.waitpid``, or None.
    """

    MESSAGE = "The process did not end well"

    def __init__(
        self, exitCode: int | None = None, signal: int | None = None, status: int | None = None
    ) -> None:
        how = []
        if exitCode is not None:
            how.append(f"it exited with code {exitCode}")
        if signal is not None:
            how.append(f"it was killed by signal {signal}")
        super().__init__(", ".join(how) or "it is not known how")
        self.exitCode = exitCode
        self.signal = signal
        self.status = status

    __reduce__ = _reduce


class ProcessExitedAlready(Exception):
    """A process was signalled, or written to, after it had ended."""

    MESSAGE = "The process has already ended"
    __str__ = _arguments_or_meaning


# --- ports, connectors, protocols, the reactor --------------------------------------------------------------


class NotConnectingError(RuntimeError):
    """``stopConnecting`` on a connector that was not connecting."""

    MESSAGE = "The connector is not connecting, so there is no attempt to stop"
    __str__ = _meaning_then_arguments


class NotListeningError(RuntimeError):
    """Something was asked of a port that only a listening port can do."""

    MESSAGE = "The port is not listening"
    __str__ = _meaning_then_arguments


class ReactorNotRunning(RuntimeError):
    """The reactor was asked to stop, and it was not running."""

    MESSAGE = "The reactor is not running"
    __str__ = _arguments_or_meaning


class ReactorNotRestartable(RuntimeError):
    """The reactor ran, and this one cannot run again."""

    MESSAGE = "The reactor cannot be started a second time"
    __str__ = _arguments_or_meaning


class ReactorAlreadyRunning(RuntimeError):
    """The reactor was asked to run, and it is running."""

    MESSAGE = "The reactor is already running"
    __str__ = _arguments_or_meaning


class ReactorAlreadyInstalledError(AssertionError):
    """A reactor was to be installed where one is installed already."""

    MESSAGE = "A reactor is already installed"
    __str__ = _arguments_or_meaning


class ConnectingCancelledError(Exception):
    """The Deferred of a connection attempt was cancelled.

    :ivar address: the IAddress provider that was being connected to.
    """

    MESSAGE = "The connection attempt was cancelled"

    def __init__(self, address: Any) -> None:
        super().__init__(address)
        self.address = address

    __str__ = _meaning_then_arguments


class NoProtocol(Exception):
    """A factory's ``buildProtocol`` returned None to an endpoint: it declined the connection."""

    MESSAGE = "The factory built no protocol for the connection"
    __str__ = _arguments_or_meaning


class UnsupportedAddressFamily(Exception):
    """The address family is none that this operation can use."""

    MESSAGE = "The address family is not supported here"
    __str__ = _arguments_or_meaning


class UnsupportedSocketType(Exception):
    """The socket is of a type (``SOCK_STREAM``, ``SOCK_DGRAM``…) that this operation cannot use."""

    MESSAGE = "The socket type is not supported here"
    __str__ = _arguments_or_meaning


class AlreadyListened(Exception):
    """An endpoint that can listen once was asked to listen again."""

    MESSAGE = "The endpoint has already been used to listen"
    __str__ = _arguments_or_meaning


class InvalidAddressError(ValueError):
    """An address was refused for what it is, for example a host name where an IP address is needed.

    :ivar address: the address that was refused.
    :ivar message: why.
    """

    def __init__(self, address: Any, message: str) -> None:
        super().__init__(address, message)
        self.address = address
        self.message = message

    def __str__(self) -> str:
        return f"{self.address!r}: {self.message}"
