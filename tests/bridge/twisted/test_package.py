"""The package itself: what it offers, and what it says where Twisted is not installed."""

from __future__ import annotations

import sys
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import twisted_compat.bridge.twisted as bridge
from tests.bridge.twisted.ecosystem.children import run

WITHOUT_TWISTED = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name == ABSENT else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
import twisted_compat
assert twisted_compat.AsyncioReactor and twisted_compat.as_future
assert not [name for name in sys.modules if name.partition(".")[0] == "twisted"]
try:
    import twisted_compat.bridge.twisted
except ModuleNotFoundError as error:
    print(error.name, error, sep=": ")
"""


def said_without(absent: str, then: str = "") -> str:
    """What importing the bridge, and what is done then, says where those modules can't be imported."""
    program = f"ABSENT = {absent!r}\n{WITHOUT_TWISTED}\n{dedent(then)}"
    done = run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_is_offered() -> None:
    for name in bridge.__all__:
        offered: Any = getattr(bridge, name)
        assert name == "TWISTED" or offered.__doc__
    assert not isinstance(bridge.install, ModuleType)
    # Twisted's tools find install() where the reactor's class says that it is from.
    assert sys.modules[bridge.TwistedReactor.__module__].install is bridge.install  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "absent",
    [
        pytest.param("twisted", id="nothing"),
        # as where a wheel of somebody's has put a plugin there: "twisted" is a namespace then
        pytest.param("twisted.internet", id="plugins-only"),
    ],
)
def test_without_twisted_it_says_what_to_install(absent: str) -> None:
    said = said_without(absent)
    assert said.startswith(f"{absent}: ")
    assert "needs Twisted, which is not installed" in said
    assert "pip install 'twisted-compat[twisted]'" in said


def test_what_twisted_itself_lacks_is_told_as_it_is() -> None:
    said = said_without("constantly")
    assert said == "constantly: No module named 'constantly'\n"


def test_without_pyopenssl_tls_alone_is_missing() -> None:
    said = said_without(
        "OpenSSL",
        then="""
            reactor = twisted_compat.bridge.twisted.TwistedReactor()
            try:
                reactor.listenSSL(0, None, None)
            except ModuleNotFoundError as error:
                print(error.name, error, sep=": ")
        """,
    )
    assert said.startswith("OpenSSL: ")
    assert "pip install 'twisted-compat[twisted]'" in said
