"""The engine's messages in Twisted's log, and the log context: who is speaking.

Twisted puts the ``logPrefix`` of a descriptor into the context of whatever its log is told while that
descriptor is served, for every event anew. Here an event costs nothing: whoever logs something looks up its
own stack for the descriptor that is being served.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

from twisted.logger import Logger
from twisted.python import context, log
from twisted.python.failure import Failure

from twisted_compat.adapter.registration import Registration

__all__ = ["TwistedLog"]


_log = Logger(namespace="twisted_compat")


class TwistedLog:
    """Twisted's log, with the methods of a :class:`logging.Logger` that the engine calls."""

    def debug(self, message: str, *args: object) -> None:
        """For who looks for a fault in the engine."""
        _log.debug("{text}", text=message % args)

    def info(self, message: str, *args: object) -> None:
        """What happened, as it should."""
        log.msg(message % args)

    def warning(self, message: str, *args: object) -> None:
        """What will do harm if it goes on. What is given by names, observers find under those."""
        if args and isinstance(args[0], Mapping):
            log.msg(format=message, **args[0])
        else:
            _log.warn("{text}", text=message % args)

    def error(self, message: str, *args: object, exc_info: Any = None) -> None:
        """What went wrong.

        :param exc_info: True for the exception being handled, an exception, or a triple as of
            :func:`sys.exc_info`.
        """
        if exc_info is None:
            _log.error("{text}", text=message % args)
            return
        if isinstance(exc_info, BaseException):
            exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
        elif not isinstance(exc_info, tuple):
            exc_info = sys.exc_info()
        kind, value, traceback = exc_info
        _log.failure("{text}", failure=Failure(value, kind, traceback), text=message % args)

    def exception(self, message: str, *args: object) -> None:
        """What raised the exception that is being handled."""
        self.error(message, *args, exc_info=True)


_SERVING: frozenset[CodeType] = frozenset(
    method.__code__
    for method in (Registration.on_readable, Registration.on_writable, Registration._call_stranger)
)


class _LiveContext(dict[str, Any]):
    """The default log context. Its "system", also in a copy, which is what each event begins as, is whom the
    reactor serves now."""

    def copy(self) -> dict[str, Any]:
        return {**self, "system": self["system"]}

    def __getitem__(self, key: str) -> Any:
        if key == "system":
            frame: FrameType | None = sys._getframe(1)
            while frame is not None:
                if frame.f_code in _SERVING:
                    return _prefix_of(frame.f_locals["self"].descriptor)
                frame = frame.f_back
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        return self["system"] if key == "system" else super().get(key, default)


def _prefix_of(descriptor: Any) -> str:
    try:
        prefix: str = descriptor.logPrefix()
        return prefix
    except Exception:  # logged nowhere: this is the log
        return "(buggy logPrefix method)"


context.setDefault(log.ILogContext, _LiveContext(context.get(log.ILogContext) or {}))
