"""Python's modules that only POSIX systems have; None on Windows, where what needs them isn't called, but can
be imported.

They are imported with the package and not when they are needed: by then a process may have changed its root
directory, and not find them any more.
"""

from __future__ import annotations

__all__ = ["fcntl", "pwd", "resource", "termios"]

try:
    import fcntl as fcntl
    import pwd as pwd
    import resource as resource
    import termios as termios
except ImportError:
    fcntl = pwd = resource = termios = None  # type: ignore[assignment]  # for the checker it is a POSIX system
