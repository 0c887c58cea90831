"""What POSIX systems alone have is None elsewhere, and the package can be imported there."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = """
import asyncio, multiprocessing, subprocess, sys

for name in ("fcntl", "pwd", "resource", "termios"):
    sys.modules[name] = None  # an import of it fails from now on
import twisted_compat.adapter.facade, twisted_compat.stdio, twisted_compat.utils
from twisted_compat.transport import posix

assert [getattr(posix, name) for name in posix.__all__] == [None] * 4
"""


def test_the_package_can_be_imported_without() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
