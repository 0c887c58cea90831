"""Python's modules that only POSIX systems have. Windows has none of them, and what needs them isn't called
there, but the modules that do can be imported.

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
    __all__ = []
