"""What is to be run in a new process, and as whom. Starting it is ``process_spawn.py``'s."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Program"]

Text = str | bytes | os.PathLike[Any]


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

    executable: Text
    arguments: Sequence[Text]
    environment: Mapping[Any, Any] | None = None
    directory: Text | None = None
    uid: int | None = None
    gid: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.arguments, (str, bytes)):
            raise TypeError(f"args is a list of a program's arguments, not {self.arguments!r}.")

    def find(self) -> Text:
        """Where the program is: a bare name is looked up in the PATH it is to have itself, else in ours.

        :raises FileNotFoundError: if it isn't there. PermissionError, if it may not be executed.
        """
        name = os.fsencode(self.executable)
        if not name or b"/" in name:
            return self.executable
        why = errno.ENOENT
        for directory in self._search_path().split(b":"):
            candidate = os.path.join(directory or b".", name)
            seen_from_here = os.path.join(os.fsencode(self.directory or b""), candidate)
            if os.path.isfile(seen_from_here):
                if os.access(seen_from_here, os.X_OK):
                    return candidate
                why = errno.EACCES
        raise OSError(why, os.strerror(why), os.fsdecode(name))

    def _search_path(self) -> bytes:
        theirs = self.environment or {}
        path = theirs.get("PATH", theirs.get(b"PATH", os.environ.get("PATH", os.defpath)))
        return os.fsencode(path)

    def groups(self) -> list[int] | None:
        """The supplementary groups that it is to have; None for ours, which only root may change."""
        if (self.uid is None and self.gid is None) or os.geteuid() != 0:
            return None
        import pwd  # there is none on Windows, where this module can be imported

        try:
            user = pwd.getpwuid(os.geteuid() if self.uid is None else self.uid)
        except KeyError:  # a number that belongs to nobody
            return []
        return os.getgrouplist(user.pw_name, os.getegid() if self.gid is None else self.gid)
