"""The interfaces against those of an installed Twisted: whatever it has, these have too."""

from __future__ import annotations

import pytest
from zope.interface.interface import InterfaceClass, Method

from twisted_compat import interfaces

theirs = pytest.importorskip(
    "twisted.internet.interfaces", reason="compares with real Twisted, which is an optional dependency"
)

# Theirs alone: a second signature of listenTCP, and hooks for Twisted's own daemonising and process exit.
LEFT_OUT = {"IReactorTCP2", "IReactorDaemonize", "_ISupportsExitSignalCapturing"}
# The older name of an argument stands where a later Twisted has renamed it.
RENAMED = {("IUNIXDatagramTransport", "write"): {"address": "addr"}}

NAMES = [
    name
    for name, value in vars(theirs).items()
    if isinstance(value, InterfaceClass) and value.__module__ == theirs.__name__ and name not in LEFT_OUT
]


def names_of(interface: InterfaceClass) -> set[str]:
    return set(interface.names(all=True))


def test_there_is_something_to_compare() -> None:
    assert {
        "IReactorCore",
        "IHostnameResolver",
        "IReactorSocket",
        "INegotiated",
        "IHandshakeListener",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_members_and_ancestors_are_a_superset(name: str) -> None:
    ours, original = getattr(interfaces, name), getattr(theirs, name)
    assert names_of(ours) >= names_of(original)
    assert {base.__name__ for base in ours.__iro__} >= {base.__name__ for base in original.__iro__}


@pytest.mark.parametrize("name", NAMES)
def test_calls_by_argument_name_fit(name: str) -> None:
    ours, original = getattr(interfaces, name), getattr(theirs, name)
    for member, method in original.namesAndDescriptions():
        assert isinstance(ours[member], Method) == isinstance(method, Method)
        if not isinstance(method, Method):
            continue
        mine, their = ours[member].getSignatureInfo(), method.getSignatureInfo()
        renamed = RENAMED.get((name, member), {})
        assert [renamed.get(argument, argument) for argument in mine["positional"]] == list(
            their["positional"]
        )
        assert set(mine["required"]) <= set(their["required"]) | set(renamed)
        assert bool(mine["varargs"]) == bool(their["varargs"])
        assert bool(mine["kwargs"]) == bool(their["kwargs"])
