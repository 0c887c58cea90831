"""The sockets that systemd, or another service manager, has opened for this process (sd_listen_fds(3)).

``endpoints/`` has the ``systemd:`` descriptions, which are served from here.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["ListenFDs"]

_VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
_UNNAMED = "unknown"  # what sd_listen_fds_with_names(3) has for a descriptor without a name
_MOST = 2**20  # more than Linux lets a process have, unless it is told to


@dataclass
class ListenFDs:
    """The descriptors that were handed to this process, with their names.

    :meth:`fromEnvironment` makes it.
    """

    _descriptors: Sequence[int]
    _names: Sequence[str] = ()

    _START: ClassVar[int] = 3
    """The number of the first; the others follow it."""

    @classmethod
    def fromEnvironment(
        cls, environ: MutableMapping[str, str] | None = None, start: int | None = None
    ) -> ListenFDs:
        """Take the descriptors that the environment tells of, if it tells this process.

        They are told once: ``LISTEN_PID``, ``LISTEN_FDS`` and ``LISTEN_FDNAMES`` are taken out of the
        environment, so that children don't find them; and the children don't inherit the descriptors either.

        :param environ: where to look; by default the environment of the process.
        :param start: the number of the first; by default 3, as systemd has it.
        :returns: none, if they are meant for another process, or if what is told makes no sense.
        """
        if environ is None:
            environ = os.environ
        if start is None:
            start = cls._START
        if environ.get("LISTEN_PID") != str(os.getpid()):
            return cls([], ())
        told = {name: environ.pop(name, None) for name in _VARIABLES}
        count = _count(told["LISTEN_FDS"])
        names = _names(told["LISTEN_FDNAMES"], count)
        if len(names) != count:
            return cls([], ())
        descriptors = list(range(start, start + count))
        for descriptor in descriptors:
            with suppress(OSError):  # not open: whoever wants to listen there will be told
                os.set_inheritable(descriptor, False)
        return cls(descriptors, names)

    def inheritedDescriptors(self) -> list[int]:
        """The numbers of the descriptors, in order."""
        return list(self._descriptors)

    def inheritedNamedDescriptors(self) -> dict[str, int]:
        """The numbers by name. Of several with one name, as systemd gives to all the sockets of one unit, it
        is the last one's."""
        return dict(zip(self._names, self._descriptors, strict=False))


def _count(text: str | None) -> int:
    """How many descriptors there are, if that is a number."""
    if text is None or not text.isascii() or not text.isdigit():
        return 0
    try:
        count = int(text)
    except ValueError:  # thousands of digits
        return 0
    return count if count <= _MOST else 0


def _names(text: str | None, count: int) -> tuple[str, ...]:
    """The descriptors' names. Before systemd 227, and where it is not asked for names, they have none."""
    if text is None:
        return (_UNNAMED,) * count
    return tuple(text.split(":")) if text else ()
