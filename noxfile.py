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
    """All tests where neither uvloop nor Twisted is installed, as on a machine that can't have them, but for
    those of what measures or shows them."""
    helpers = ("anyio", "hypothesis", "pytest", "pytest-asyncio>=1.5", "redis", "sniffio")
    session.install("--editable", ".", *helpers)
    about_them = ("benchmarks", "test_howto.py", "test_readme.py")
    session.run("pytest", *(f"--ignore=tests/{name}" for name in about_them), *session.posargs)
