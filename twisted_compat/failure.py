"""Failure: an exception kept as a value, with its traceback, to be passed along callbacks and looked at
later.

A Deferred's errbacks and ``connectionLost`` are given one. ``defer/`` makes the most of them, so making one
only stores references; frames, parents and texts are worked out when somebody asks. Texts come from the
standard library's ``traceback``, causes and notes included; where a traceback is gone (after
:meth:`Failure.cleanFailure` or unpickling) a stand-in is built from the frames' names and line numbers by
:func:`~twisted_compat._frames.stand_in_traceback`, so everything that takes a traceback still works.

No cycles: a traceback refers to frames, and frames to their variables, so a method that lets an exception
pass through its own frame deletes ``self`` from it first. A caller that keeps a Failure of its own frame in
a variable of that frame makes a cycle that only it can break, with :meth:`Failure.cleanFailure`.
"""

from __future__ import annotations

import builtins
import itertools
import sys
import traceback
from collections.abc import Coroutine, Generator, Sequence
from types import TracebackType
from typing import Any, NoReturn, TextIO, TypeVar

from twisted_compat._frames import (
    Frame,
    describe_frame,
    entries,
    format_frames,
    is_ours,
    safely,
    stand_in_traceback,
    variables_as_text,
)

__all__ = [
    "DefaultException",
    "Failure",
    "NoCurrentExceptionError",
    "exc_info_of",
    "format_frames",
    "startDebugMode",
]

ErrorType = TypeVar("ErrorType", bound="type[BaseException] | str")
_T = TypeVar("_T")

DO_POST_MORTEM = True
"""Whether debug mode opens a debugger; to switch it off for a while without leaving debug mode."""

_numbers = itertools.count(1)
_debugging = False
_HEADER = "Traceback (most recent call last):\n"


class DefaultException(Exception):
    """What a Failure raises for a value that is no exception and so cannot itself be raised."""


class NoCurrentExceptionError(Exception):
    """``Failure()`` was called where no exception is being handled."""


def exc_info_of(failure: Any) -> Any:
    """The class, exception and traceback of a failure: what :mod:`logging` takes as ``exc_info``.

    :param failure: a Failure, of this package or of Twisted.
    """
    return failure.type, failure.value, failure.getTracebackObject()


class Failure(BaseException):
    """An exception, where it happened, and what callbacks need to ask of it.

    It is itself an exception only so that ``raise failure`` in old code works; ``except Exception`` does not
    catch it. :meth:`raiseException` is the way to raise what it holds.

    :param exc_value: the exception; by default the one being handled. A Failure makes a copy of that Failure.
        Any other object is held as it is.
    :param exc_type: the class to report, if not the exception's own.
    :param exc_tb: the traceback, if not the exception's own.
    :param captureVars: keep the variables of the frames for ``detail="verbose"``. Slow.
    :raises NoCurrentExceptionError: if there is neither a value nor an exception being handled.
    :ivar type: the exception's class.
    :ivar value: the exception.
    :ivar tb: its traceback, or None.
    :ivar count: the number of this Failure in this process.
    :ivar pickled: 1 once the traceback has been replaced by names and line numbers, 0 before.
    """

    type: builtins.type[BaseException]
    value: BaseException
    tb: TracebackType | None = None
    count: int
    captureVars = False
    pickled = 0
    _frames: list[Frame] | None = None
    _parents: list[str] | None = None

    def __init__(
        self,
        exc_value: Any = None,
        exc_type: builtins.type[BaseException] | None = None,
        exc_tb: TracebackType | None = None,
        captureVars: bool = False,
    ) -> None:
        self.count = next(_numbers)
        if exc_value is None:
            exc_type, exc_value, exc_tb = sys.exc_info()
            if exc_value is None:
                raise NoCurrentExceptionError(
                    "Failure() was called while no exception is being handled. "
                    "Call it inside an except block, or write Failure(exception)."
                )
            if _debugging and DO_POST_MORTEM:
                _debug(exc_value, exc_tb)
        elif exc_tb is None and isinstance(exc_value, BaseException):
            exc_tb = exc_value.__traceback__
        if isinstance(exc_value, Failure):
            self._become(exc_value, exc_tb)
            return
        self.type = exc_type or exc_value.__class__
        self.value = exc_value
        if exc_tb is not None:
            self.tb = exc_tb
        if captureVars:
            self.captureVars = True

    @classmethod
    def without_traceback(cls, value: BaseException) -> Failure:
        """Hold an exception that was never raised. The fast way, for the many that only carry a reason.

        :param value: the exception; a traceback it may have is not looked at.
        """
        failure = cls.__new__(cls)
        failure.count = next(_numbers)
        failure.type = value.__class__
        failure.value = value
        return failure

    def _become(self, other: Failure, raised_through: TracebackType | None) -> None:
        """Take over what ``other`` holds, and, if it was itself raised, put the way it came in front."""
        self.__dict__.update(other.__dict__)
        if raised_through is None:
            return
        link = other.getTracebackObject()
        for entry in reversed(list(entries(raised_through))):
            link = TracebackType(link, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
        self.tb = link
        self._frames = None

    # --- asking ---------------------------------------------------------------------------------------------

    @property
    def frames(self) -> list[Frame]:
        """The frames from the one that caught the exception to the one that raised it, as tuples.

        Each is function name, file name, line number, locals, globals; the last two are sequences of
        (name, value) pairs, empty unless ``captureVars``.
        """
        if self._frames is None:
            self._frames = [describe_frame(entry, self.captureVars) for entry in entries(self.tb)]
        return self._frames

    @frames.setter
    def frames(self, frames: Sequence[Any]) -> None:
        self._frames = [tuple(frame) for frame in frames]

    @property
    def stack(self) -> list[Frame]:
        """The frames above the one that caught it: empty, as these are no longer recorded."""
        return []

    @property
    def parents(self) -> list[str]:
        """The dotted names of the exception's class and its bases, in the order of inheritance."""
        if self._parents is None:
            mro = self.type.__mro__ if isinstance(self.type, type) else [self.type]
            self._parents = [_dotted_name(cls) for cls in mro]
        return self._parents

    @parents.setter
    def parents(self, names: list[str]) -> None:
        self._parents = names

    def check(self, *errorTypes: ErrorType) -> ErrorType | None:
        """Return the first of these that the exception is an instance of, or None.

        :param errorTypes: exception classes, or their dotted names. A class also matches by its name, so
            that a Failure from another process, or from before a reload, is recognised.
        """
        for error in errorTypes:
            if isinstance(error, type):
                if isinstance(self.type, type):
                    if issubclass(self.type, error) or _is_named_like(self.type, error):
                        return error
                    continue
                name = _dotted_name(error)
            else:
                name = error
            if name in self.parents:
                return error
        return None

    def trap(self, *errorTypes: ErrorType) -> ErrorType:
        """Like :meth:`check`, but raise the exception if none of these fits. The first line of an errback."""
        error = self.check(*errorTypes)
        if error is not None:
            return error
        try:
            raise self._raisable()
        finally:
            del self  # our frame is in the traceback now: see "No cycles" above

    # --- raising --------------------------------------------------------------------------------------------

    def raiseException(self) -> NoReturn:
        """Raise the exception, with the traceback it had."""
        try:
            raise self._raisable()
        finally:
            del self

    def throwExceptionIntoGenerator(self, g: Generator[_T, Any, Any] | Coroutine[_T, Any, Any]) -> _T:
        """Raise the exception inside a generator or coroutine, where it is suspended.

        :returns: what it yields next.
        :raises StopIteration: when it returns instead.
        """
        try:
            return g.throw(self._raisable())
        finally:
            del self, g

    def _raisable(self) -> BaseException:
        value = self.value
        if not isinstance(value, BaseException):
            return DefaultException(value)
        return value.with_traceback(self.getTracebackObject())

    # --- letting go -----------------------------------------------------------------------------------------

    def cleanFailure(self) -> None:
        """Let go of every frame, and so of every variable of theirs; names and line numbers stay.

        The tracebacks of the exceptions that led to this one are replaced too.
        """
        self._frames = self._frames_as_text()
        self.tb = None
        self.pickled = 1
        if not isinstance(self.value, BaseException):
            return
        for led_to_it in _chain(self.value):
            if led_to_it is not self.value and led_to_it.__traceback__ is not None:
                frames = [describe_frame(entry, False) for entry in entries(led_to_it.__traceback__)]
                led_to_it.__traceback__ = stand_in_traceback(frames)
        self.value.__traceback__ = None

    def _frames_as_text(self) -> list[Frame]:
        if not self.captureVars:
            return self.frames
        return [
            (name, filename, line, variables_as_text(local), variables_as_text(global_))
            for name, filename, line, local, global_ in self.frames
        ]

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: everything but the traceback, whose frames are kept as text."""
        state = self.__dict__.copy()
        state.pop("_frames", None)
        state.pop("_parents", None)
        state.update(
            captureVars=self.captureVars,
            frames=self._frames_as_text(),
            parents=self.parents,
            pickled=1,
            stack=[],
            tb=None,
        )
        return state

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        kept = dict(state or {})
        kept.pop("stack", None)
        self._frames = [tuple(frame) for frame in kept.pop("frames", ())]
        self._parents = kept.pop("parents", None)
        self.__dict__.update(kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return _blank, (type(self),), self.__getstate__()

    # --- showing --------------------------------------------------------------------------------------------

    def getTracebackObject(self) -> TracebackType | None:
        """A traceback to pass on: the exception's own, else a stand-in with the same names and lines.

        :returns: None if no frames are known.
        """
        if self.tb is not None or not self.frames:
            return self.tb
        return stand_in_traceback(self.frames)

    def getErrorMessage(self) -> str:
        """``str`` of the exception. Never raises."""
        return safely(str, self.value)

    def getBriefTraceback(self) -> str:
        """The class and message, then a line per frame: file, line number, function."""
        return self.getTraceback(detail="brief")

    def getTraceback(self, elideFrameworkCode: int = 0, detail: str = "default") -> str:
        """The traceback as text.

        :param elideFrameworkCode: if true, leave out the frames of this package's own code.
        :param detail: ``"default"`` as Python prints it, ``"brief"`` a short line per frame, ``"verbose"``
            with the variables that ``captureVars`` kept.
        :raises ValueError: for another detail.
        """
        if detail == "default":
            return self._default_text(bool(elideFrameworkCode))
        if detail not in ("brief", "verbose"):
            raise ValueError(
                f"There is no traceback detail {detail!r}. Write detail='default', 'brief' or 'verbose'."
            )
        shown = [frame for frame in self.frames if not (elideFrameworkCode and is_ours(frame[1]))]
        return self._brief_text(shown) if detail == "brief" else self._verbose_text(shown)

    def printTraceback(
        self, file: TextIO | None = None, elideFrameworkCode: bool | int = False, detail: str = "default"
    ) -> None:
        """Write :meth:`getTraceback` to a text file, by default to standard error."""
        out = sys.stderr if file is None else file
        out.write(self.getTraceback(elideFrameworkCode, detail))

    def printBriefTraceback(self, file: TextIO | None = None, elideFrameworkCode: bool | int = 0) -> None:
        """Write the brief traceback."""
        self.printTraceback(file, elideFrameworkCode, detail="brief")

    def printDetailedTraceback(self, file: TextIO | None = None, elideFrameworkCode: bool | int = 0) -> None:
        """Write the verbose traceback."""
        self.printTraceback(file, elideFrameworkCode, detail="verbose")

    def _default_text(self, elide: bool) -> str:
        tb = self.getTracebackObject()
        if type(self.value) is self.type and isinstance(self.value, BaseException):
            report = traceback.TracebackException(self.type, self.value, tb)
        else:  # a value that is no exception, or one reported under another class
            lines = traceback.format_tb(tb)
            return "".join([_HEADER, *lines, f"{_dotted_name(self.type)}: {self.getErrorMessage()}\n"])
        if elide:
            _elide(report)
        text = "".join(report.format())
        return text if _HEADER in text else _HEADER + text

    def _brief_text(self, frames: list[Frame]) -> str:
        header = "Traceback" if frames else "Traceback (failure with no frames)"
        lines = [f"{header}: {safely(str, self.type)}: {self.getErrorMessage()}\n"]
        format_frames(frames, lines.append, "brief")
        return "".join(lines)

    def _verbose_text(self, frames: list[Frame]) -> str:
        lines = [f"--- Failure {self.count}: {_dotted_name(self.type)}: {self.getErrorMessage()}\n"]
        format_frames(frames, lines.append, "verbose" if self.captureVars else "verbose-vars-not-captured")
        lines.append(f"--- end of Failure {self.count}\n")
        return "".join(lines)

    def __str__(self) -> str:
        return f"[Failure instance: {self.getBriefTraceback()}]"

    def __repr__(self) -> str:
        return f"<{_dotted_name(type(self))} {_dotted_name(self.type)}: {self.getErrorMessage()}>"


def startDebugMode() -> None:
    """From now on open ``pdb`` on the exception whenever ``Failure()`` is called in an except block."""
    global _debugging
    _debugging = True


def _debug(value: BaseException, tb: TracebackType | None) -> None:
    import pdb  # only here: debug mode is rare, pdb is heavy

    print(f"Failure() was called for {safely(repr, value)}: starting the debugger where it was raised.")
    pdb.post_mortem(tb)


def _blank(cls: type[Failure]) -> Failure:
    return cls.__new__(cls)


def _dotted_name(cls: Any) -> str:
    """Module and name, as legacy code writes it in ``check``; a name passes through."""
    return f"{cls.__module__}.{cls.__name__}" if isinstance(cls, type) else str(cls)


def _is_named_like(cls: type, wanted: type) -> bool:
    """Tell whether a class among ``cls`` and its bases has the wanted class's name and module."""
    name = wanted.__name__
    # A plain loop: check() misses often, and any() would make a generator each time.
    for base in cls.__mro__:  # noqa: SIM110
        if base.__name__ == name and base.__module__ == wanted.__module__:
            return True
    return False


def _chain(error: BaseException) -> list[BaseException]:
    """An exception, its causes and contexts, those of the members of exception groups; each once."""
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            waiting += [one.__cause__, one.__context__]
            members = getattr(one, "exceptions", ())  # ExceptionGroup, which Python 3.10 lacks
            waiting += [member for member in members if isinstance(member, BaseException)]
    return list(found.values())


def _elide(report: traceback.TracebackException | None) -> None:
    """Take this package's frames out of a report, and out of those of the exceptions that led to it."""
    while report is not None:
        report.stack[:] = [entry for entry in report.stack if not is_ours(entry.filename)]
        _elide(report.__cause__)
        report = report.__context__
