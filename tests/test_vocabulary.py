"""The vocabulary: one consistent set of words, that knows neither sockets nor loops."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import twisted_compat
from twisted_compat.vocabulary import NATIVE, vocabulary_of

WORDS = {
    "address": ["IPv4Address", "IPv6Address", "UNIXAddress", "HostnameAddress"],
    "defer": ["Deferred", "succeed", "fail", "maybeDeferred", "CancelledError", "TimeoutError"],
    "error": ["ConnectionDone", "ConnectionLost", "ConnectError", "DNSLookupError", "ReactorNotRunning"],
    "failure": ["Failure"],
    "interfaces": ["IReactorCore", "IListeningPort", "IHalfCloseableDescriptor", "IResolverSimple"],
}

# The package itself imports everything, so it stands aside here.
IMPORTING = """
import sys, types
package = types.ModuleType("twisted_compat")
package.__path__ = [sys.argv[1]]
sys.modules["twisted_compat"] = package
import zope.interface, logging
before = set(sys.modules)
import twisted_compat.vocabulary, twisted_compat.current
print(*({"asyncio", "socket", "selectors"} & (set(sys.modules) - before)))
"""


@pytest.mark.parametrize("module", WORDS)
def test_the_native_words_are_there(module: str) -> None:
    for name in WORDS[module]:
        assert isinstance(getattr(getattr(NATIVE, module), name), object)


def test_each_field_has_words_here_or_says_how_the_engine_behaves() -> None:
    behaviour = {"log", "start_tls", "closing_waits_for_push"}
    assert {field.name for field in dataclasses.fields(NATIVE)} == set(WORDS) | behaviour
    assert NATIVE.start_tls is None and NATIVE.closing_waits_for_push
    assert NATIVE.log.name == "twisted_compat"


def test_it_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        NATIVE.error = NATIVE.failure  # type: ignore[misc]


def test_one_with_other_words_is_another() -> None:
    other = dataclasses.replace(NATIVE)
    assert other != NATIVE
    assert len({other, NATIVE}) == 2


def test_importing_it_imports_no_sockets_and_no_loops() -> None:
    where = str(Path(twisted_compat.__file__).parent)
    command = [sys.executable, "-c", IMPORTING, where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_reactor_speaks_its_own_words_and_a_stranger_the_native_ones() -> None:
    class Reactor:
        vocabulary = dataclasses.replace(NATIVE)

    assert vocabulary_of(Reactor()) is Reactor.vocabulary
    assert vocabulary_of(object()) is NATIVE
