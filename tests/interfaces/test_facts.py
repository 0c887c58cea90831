"""The interfaces against ``facts.json``: every interface, base, member, argument and default promised.

Fifty interfaces and their 154 members (150 methods, 4 attributes): 204 facts. An argument is a name, or a
name and its default; ``*`` and ``**`` mark the variable ones; an attribute has null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from zope.interface.interface import InterfaceClass, Method

from twisted_compat import interfaces

FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "facts.json").read_text())
MEMBERS = [(name, member) for name, fact in FACTS.items() for member in fact["members"]]

# Bases that later versions of Twisted added on top of those in the table.
LATER_BASES = {
    "IReactorThreads": ["IReactorFromThreads", "IReactorInThreads"],
    "IMulticastTransport": ["IUDPTransport"],
}


def plain(default: Any) -> Any:
    """A default value as JSON has it."""
    if isinstance(default, tuple):
        return list(default)
    return dict(default) if isinstance(default, Mapping) else default


def arguments(method: Method) -> list[Any]:
    info = method.getSignatureInfo()
    listed: list[Any] = [
        [name, plain(info["optional"][name])] if name in info["optional"] else name
        for name in info["positional"]
    ]
    if info["varargs"]:
        listed.append("*" + info["varargs"])
    if info["kwargs"]:
        listed.append("**" + info["kwargs"])
    return listed


def test_there_are_204_facts() -> None:
    assert len(FACTS) == 50
    assert len(MEMBERS) == 154
    assert len(FACTS) + len(MEMBERS) == 204


@pytest.mark.parametrize("name", FACTS)
def test_the_interface_is_there_with_its_bases(name: str) -> None:
    interface = getattr(interfaces, name)
    assert isinstance(interface, InterfaceClass)
    assert interface.__name__ == name
    assert [base.__name__ for base in interface.__bases__] == LATER_BASES.get(name, FACTS[name]["bases"])
    ancestors = {base.__name__ for base in interface.__iro__}
    assert ancestors >= set(FACTS[name]["bases"])


@pytest.mark.parametrize(("name", "member"), MEMBERS)
def test_the_member_is_there_with_its_arguments(name: str, member: str) -> None:
    promised = FACTS[name]["members"][member]
    found = getattr(interfaces, name)[member]
    if promised is None:
        assert not isinstance(found, Method)
    else:
        assert isinstance(found, Method)
        assert arguments(found) == promised


def test_an_empty_environment_is_the_default_and_cannot_be_changed() -> None:
    environment = interfaces.IReactorProcess["spawnProcess"].getSignatureInfo()["optional"]["env"]
    assert environment == {}
    with pytest.raises(TypeError):
        environment["PATH"] = "/bin"


def test_the_alias_of_a_dropped_interface() -> None:
    assert interfaces._IReactorArbitrary is interfaces.IReactorArbitrary
