"""What is to be run in a new process, and as whom. Starting it is ``process_spawn.py``'s."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted_compat.transport.posix import pwd

__all__ = ["Program", "Text"]

Text = str | bytes | os.PathLike[Any]

UNCHANGED = 2**32 - 1
"""What the system has for "no change" where it takes a user's or a group's number."""


@dataclass(frozen=True)
class Program:
    """A program with all that it is given but its descriptors.

    :ivar executable: a path, or a bare name to be looked up.
    :ivar arguments: all of them, the program's own name first.
    :ivar environment: the whole of it; None for ours.
    :ivar directory: where it runs; None where we do.
    :ivar uid: the user's number; None for ours.
    :ivar gid: the group's number; None for ours.
    """

    executable: bytes
    arguments: list[bytes]
    environment: dict[bytes, bytes] | None = None
    directory: bytes | None = None
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(
        cls,
        executable: Text,
        args: Sequence[Text],
        env: Mapping[Any, Any] | None = None,
        path: Text | None = None,
        uid: int | None = None,
        gid: int | None = None,
    ) -> Program:
        """A program from what ``spawnProcess`` is given; see there.

        :raises TypeError: if something is of a wrong type.
        :raises ValueError: if something has a zero byte in it, a variable has no name or one with "=" in it,
            or a number is out of range.
        """
        if isinstance(args, (str, bytes)):
            raise TypeError(f"args is a list of a program's arguments, not {args!r}.")
        for name, number in (("uid", uid), ("gid", gid)):
            if number is not None and not 0 <= number < UNCHANGED:
                raise ValueError(f"{name} is {number}, and there is no such number.")
        return cls(
            _encoded("executable", executable),
            [_encoded("an argument", argument) for argument in args or (executable,)],
            None if env is None else _variables(env),
            _encoded("path", path) if path else None,
            uid,
            gid,
        )

    def find(self) -> bytes:
        """Where the program is: a bare name is looked up in the PATH it is to have itself, else in ours.

        :raises FileNotFoundError: if it isn't there. PermissionError, if it may not be executed.
        """
        name, why = self.executable, errno.ENOENT
        if b"/" in name:
            return name
        for directory in self._search_path().split(b":") if name else ():
            candidate = os.path.join(directory or b".", name)
            seen_from_here = os.path.join(self.directory or b"", candidate)
            if os.path.isfile(seen_from_here):
                if os.access(seen_from_here, os.X_OK):
                    return candidate
                why = errno.EACCES
        raise OSError(why, os.strerror(why), os.fsdecode(name))

    def _search_path(self) -> bytes:
        ours = os.fsencode(os.environ.get("PATH", os.defpath))
        return ours if self.environment is None else self.environment.get(b"PATH", ours)

    def groups(self) -> list[int] | None:
        """The supplementary groups that it is to have; None for ours, which only root may change."""
        if (self.uid is None and self.gid is None) or not _can_be_root():
            return None
        try:
            user = pwd.getpwuid(os.geteuid() if self.uid is None else self.uid)
        except KeyError:  # a number that belongs to nobody
            return []
        return os.getgrouplist(user.pw_name, os.getegid() if self.gid is None else self.gid)


def _can_be_root() -> bool:
    """Whether we are root, or have only put that off and may be so again."""
    return 0 in (os.getresuid() if hasattr(os, "getresuid") else (os.getuid(), os.geteuid()))


def _encoded(what: str, text: Text) -> bytes:
    try:
        encoded = os.fsencode(text)
    except TypeError:
        raise TypeError(f"{what} is {text!r}, and neither text, bytes nor a path.") from None
    if b"\0" in encoded:
        raise ValueError(f"{what} has a zero byte in it: {text!r}.")
    return encoded


def _variables(env: Mapping[Any, Any]) -> dict[bytes, bytes]:
    if not isinstance(env, Mapping):
        raise TypeError(f"env maps names to values, and is {env!r}.")
    variables = {_encoded("a variable", key): _encoded("a variable", value) for key, value in env.items()}
    for name in variables:
        if not name or b"=" in name:
            raise ValueError(f"env has a variable whose name is {os.fsdecode(name)!r}.")
    return variables
