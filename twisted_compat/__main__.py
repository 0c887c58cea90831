"""``python -m twisted_compat``: the ``twisted-compat`` command, see :mod:`twisted_compat.cli`."""

from __future__ import annotations

from twisted_compat.cli import main

if __name__ == "__main__":
    main()
