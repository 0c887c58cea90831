"""The flat package over its rooms: nothing missing, nothing twice, everything explained."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
from types import ModuleType

import pytest
from zope.interface import Interface, implementer
from zope.interface.interface import InterfaceClass, Method
from zope.interface.verify import verifyObject

from twisted_compat import interfaces

ROOMS = [
    importlib.import_module(f"{interfaces.__name__}.{room.name}")
    for room in pkgutil.iter_modules(interfaces.__path__)
]
METHODS = [
    (name, member)
    for name in interfaces.__all__
    for member, found in getattr(interfaces, name).namesAndDescriptions()
    if isinstance(found, Method)
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__.rpartition(".")[2])
def test_a_room_exports_exactly_the_interfaces_it_defines(room: ModuleType) -> None:
    defined = {
        value.__name__
        for value in vars(room).values()
        if isinstance(value, InterfaceClass) and value.__module__ == room.__name__
    }
    assert set(room.__all__) == defined
    for name in room.__all__:
        assert getattr(interfaces, name) is getattr(room, name)


def test_the_package_exports_what_the_rooms_do() -> None:
    assert sorted(interfaces.__all__) == sorted(name for room in ROOMS for name in room.__all__)
    assert len(set(interfaces.__all__)) == len(interfaces.__all__)


@pytest.mark.parametrize("name", interfaces.__all__)
def test_an_interface_says_what_it_is_for_and_survives_pickling(name: str) -> None:
    interface = getattr(interfaces, name)
    assert interface.__doc__.strip()
    assert pickle.loads(pickle.dumps(interface)) is interface
    for member, found in interface.namesAndDescriptions():
        assert found.__doc__.strip(), member


@pytest.mark.parametrize(("name", "member"), METHODS)
def test_a_method_explains_each_of_its_arguments(name: str, member: str) -> None:
    method = getattr(interfaces, name)[member]
    info = method.getSignatureInfo()
    expected = [*info["positional"], *filter(None, (info["varargs"], info["kwargs"]))]
    assert re.findall(r":param (\w+):", method.__doc__) == expected


def test_providing_a_derived_interface_provides_its_ancestors() -> None:
    @implementer(interfaces.IReadWriteDescriptor)
    class Watched:
        def logPrefix(self) -> str:
            return "watched"

        def fileno(self) -> int:
            return -1

        def connectionLost(self, reason: object) -> None: ...

        def doRead(self) -> None: ...

        def doWrite(self) -> None: ...

    watched = Watched()
    assert verifyObject(interfaces.IReadWriteDescriptor, watched)
    for ancestor in (
        interfaces.IReadDescriptor,
        interfaces.IWriteDescriptor,
        interfaces.IFileDescriptor,
        interfaces.ILoggingContext,
        Interface,
    ):
        assert ancestor.providedBy(watched)
    assert not interfaces.IHalfCloseableDescriptor.providedBy(watched)
