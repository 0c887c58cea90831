"""The tests on every Python that is installed: ``nox`` for all of them, ``nox -s tests-3.12`` for one."""

from __future__ import annotations

import nox

nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, on stdlib asyncio and uvloop. Arguments after ``--`` go to pytest."""
    session.install("--editable", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def without_uvloop(session: nox.Session) -> None:
    """All tests where neither uvloop nor Twisted is installed, as on a machine that can't have them."""
    session.install("--editable", ".", "pytest", "pytest-asyncio>=1.5", "hypothesis", "redis")
    session.run("pytest", *session.posargs)
