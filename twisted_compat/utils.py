"""A child process as a Deferred: its output, its exit code, or both; and functions run with warnings turned
off. Twisted's ``twisted.internet.utils``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, TypeVar, cast

from twisted_compat.current import current_reactor
from twisted_compat.interfaces.process import NO_VARIABLES
from twisted_compat.protocol import ProcessProtocol
from twisted_compat.transport.descriptor import as_bytes
from twisted_compat.transport.process_program import Text
from twisted_compat.vocabulary import Vocabulary, vocabulary_of

__all__ = [
    "getProcessOutput",
    "getProcessOutputAndValue",
    "getProcessValue",
    "runWithWarningsSuppressed",
    "suppressWarnings",
]

R = TypeVar("R")


def getProcessOutput(
    executable: Text,
    args: Sequence[Text] = (),
    env: Mapping[Any, Any] | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
    errortoo: bool | int = False,
) -> Any:
    """Run a program, and get what it writes to its standard output.

    :param executable: the program: a path, or a bare name, which is looked up in PATH.
    :param args: its arguments, without its name.
    :param env: its whole environment: none if left out; None for ours.
    :param path: the directory to run it in; None for our own.
    :param reactor: starts it; the current one if None.
    :param errortoo: whether its standard error is part of the output, as it comes. If not, anything there is
        an error.
    :returns: a Deferred of the output (bytes), whatever the exit code. It fails with OSError if the program
        can't be started; and with OSError at the first byte on its standard error, when its pipes are closed:
        that has the attribute ``processEnded``, a Deferred that fails with the reason when it has ended.
        It fails with ProcessTerminated if the reactor stops before it has. Cancelling it kills the program.
    """
    return _run(partial(_Output, errors_too=bool(errortoo)), executable, args, env, path, reactor)


def getProcessValue(
    executable: Text,
    args: Sequence[Text] = (),
    env: Mapping[Any, Any] | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
) -> Any:
    """Run a program, and get its exit code.

    :param executable: as :func:`getProcessOutput` has it, and so on to ``reactor``.
    :returns: a Deferred of the exit code; of None if a signal ended it. It fails with OSError if the program
        can't be started, and with ProcessTerminated if the reactor stops before it. Cancelling it kills the
        program.
    """
    return _run(_Value, executable, args, env, path, reactor)


def getProcessOutputAndValue(
    executable: Text,
    args: Sequence[Text] = (),
    env: Mapping[Any, Any] | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
    stdinBytes: bytes | None = None,
) -> Any:
    """Run a program, and get what it writes and its exit code.

    :param executable: as :func:`getProcessOutput` has it, and so on to ``reactor``.
    :param stdinBytes: what to write to its standard input, which is closed then. None: nothing, and it stays
        open.
    :raises TypeError: if ``stdinBytes`` is not bytes-like.
    :returns: a Deferred of (output, error output, exit code). If a signal ended it, it fails: the Failure's
        ``value`` is (output, error output, signal's number). It fails with OSError if the program can't be
        started, and with ProcessTerminated if the reactor stops before it. Cancelling it kills the program.
    """
    return _run(partial(_Everything, stdin=stdinBytes), executable, args, env, path, reactor)


class _Run(ProcessProtocol):
    """A child whose end fires a Deferred.

    :ivar deferred: to be fired; None when it has been.
    :ivar words: the vocabulary it is of.
    """

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self.deferred: Any = words.defer.Deferred(self._cancelled)

    def _cancelled(self, _: Any) -> None:
        """Nobody wants the program any more."""
        self.deferred = None
        self.transport.loseConnection()  # somebody else may have its pipes
        try:
            self.transport.signalProcess("KILL")
        except self.words.error.ProcessExitedAlready:
            pass
        except OSError as error:
            self.words.log.warning("%r can't be killed: %s", self.transport, error)

    def fire(self, result: Any) -> None:
        """It is done: ``result``, a Failure too, is the Deferred's."""
        deferred, self.deferred = self.deferred, None
        if deferred is not None:
            deferred.callback(result)

    def processEnded(self, reason: Any) -> None:
        """The child has exited, or is left behind by a reactor that stops: then there is no result."""
        how = reason.value
        self.fire(reason if how.exitCode is None and how.signal is None else self.result(how))

    def result(self, how: Any) -> Any:
        """What the Deferred is fired with.

        :param how: ProcessDone or ProcessTerminated.
        """
        raise NotImplementedError(f"{type(self).__name__} must define result()")


def _run(
    kind: Callable[[Vocabulary], _Run],
    executable: Text,
    args: Sequence[Text],
    env: Mapping[Any, Any] | None,
    path: Text | None,
    reactor: Any,
) -> Any:
    reactor = current_reactor() if reactor is None else reactor
    words = vocabulary_of(reactor)
    protocol = kind(words)
    deferred = protocol.deferred
    try:
        reactor.spawnProcess(protocol, executable, (executable, *args), env, path)
    except OSError:
        return words.defer.fail()
    return deferred


class _ErrorOutput(OSError):
    """A program wrote to its standard error.

    :ivar processEnded: a Deferred that fails with the reason when it has ended.
    """

    processEnded: Any


class _Output(_Run):
    def __init__(self, words: Vocabulary, errors_too: bool) -> None:
        super().__init__(words)
        self._errors_too = errors_too
        self._output: list[bytes] = []
        self._ended: Any = None

    def outReceived(self, data: bytes) -> None:
        self._output.append(data)

    def errReceived(self, data: bytes) -> None:
        if self._errors_too:
            self._output.append(data)
        elif self.deferred is not None:
            error = _ErrorOutput(f"the program wrote to its standard error: {data!r}")
            self._ended = error.processEnded = self.words.defer.Deferred()
            self.transport.loseConnection()
            self.fire(self.words.failure.Failure(error))

    def processEnded(self, reason: Any) -> None:
        super().processEnded(reason)
        if self._ended is not None:
            self._ended.errback(reason)

    def result(self, how: Any) -> bytes:
        return b"".join(self._output)


class _Value(_Run):
    def result(self, how: Any) -> int | None:
        code: int | None = how.exitCode
        return code


class _Everything(_Run):
    def __init__(self, words: Vocabulary, stdin: bytes | None) -> None:
        super().__init__(words)
        self._stdin = None if stdin is None else as_bytes(stdin)
        self._output: list[bytes] = []
        self._errors: list[bytes] = []

    def connectionMade(self) -> None:
        if self._stdin is not None:
            self.transport.write(self._stdin)
            self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._output.append(data)

    def errReceived(self, data: bytes) -> None:
        self._errors.append(data)

    def result(self, how: Any) -> Any:
        output, errors = b"".join(self._output), b"".join(self._errors)
        if how.signal is None:
            return output, errors, how.exitCode
        return self.words.failure.Failure((output, errors, how.signal))


# Warnings


def runWithWarningsSuppressed(
    suppressedWarnings: Sequence[tuple[Sequence[Any], Mapping[str, Any]]],
    f: Callable[..., R],
    *a: Any,
    **kw: Any,
) -> R:
    """Call ``f(*a, **kw)`` with some warnings turned off, in all threads of the process, until it is done.

    :param suppressedWarnings: for each filter the arguments of :func:`warnings.filterwarnings`, as
        ``(args, kwargs)``.
    :param f: may return a Deferred; then it isn't done before that has fired.
    :returns: what ``f`` returned.
    """
    filters: Any = warnings.filters
    before = list(filters)
    for args, kwargs in suppressedWarnings:
        warnings.filterwarnings(*args, **kwargs)
    added = [entry for entry in filters if entry not in before]

    def restore(result: Any) -> Any:
        for entry in added:
            if entry in filters:
                filters.remove(entry)
        return result

    try:
        result: Any = f(*a, **kw)
    except BaseException:
        restore(None)
        raise
    if callable(getattr(result, "addBoth", None)):
        result.addBoth(restore)
    else:
        restore(None)
    return cast("R", result)


def suppressWarnings(
    f: Callable[..., R], *suppressedWarnings: tuple[Sequence[Any], Mapping[str, Any]]
) -> Callable[..., R]:
    """A function that does as ``f``, with some warnings turned off; see :func:`runWithWarningsSuppressed`."""

    @wraps(f)
    def calls_f(*a: Any, **kw: Any) -> R:
        return runWithWarningsSuppressed(suppressedWarnings, f, *a, **kw)

    return calls_f
