"""The ``twisted-compat`` command. ``commands`` is what it has, ``bench`` is one of those.

They need click, and what they show needs rich: the extra ``cli``. This module needs neither, so that it can
say so.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

LIBRARIES = ("click", "rich")


def main() -> None:
    """Run the command, and end the process with its status; 1 where a library is missing."""
    try:
        from twisted_compat.cli.commands import group

        group(prog_name="twisted-compat")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in LIBRARIES:
            raise
        sys.exit(f"The twisted-compat command needs {library}. Write: pip install 'twisted-compat[cli]'")
