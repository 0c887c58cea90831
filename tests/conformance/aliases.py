"""Puts this package's modules into the place of Twisted's, before anything of Twisted is imported.

So not only the tests but trial, Twisted's log and its reactors work with our Deferreds and Failures too.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType

from tests.conformance.places import SHIMS

__all__ = ["take_the_places"]

# Errors that our modules raise and Twisted's tests expect under Twisted's name.
ERRORS = ("AlreadyCalled", "AlreadyCancelled", "ReactorNotRunning")


def take_the_places(places: Mapping[str, str]) -> list[str]:
    """Alias the modules.

    :param places: place -> our module; see ``places.py``.
    :returns: the public names of Twisted's modules that ours lack, dotted. Each is replaced by something that
        raises when called, so that the tests of the others can run.
    :raises RuntimeError: if Twisted is imported already.
    """
    if any(place in sys.modules for place in places):
        raise RuntimeError(
            "Twisted's modules are imported already, so ours come too late. "
            "Call take_the_places() as the first thing of a process."
        )
    missing = []
    for place, ours in places.items():
        sys.modules[place] = _import_or_empty(ours)
    for shim in SHIMS:
        if shim.place in places and not hasattr(sys.modules[shim.place], shim.name):
            setattr(sys.modules[shim.place], shim.name, shim.make())
    for place in places:
        parent, _, name = place.rpartition(".")
        setattr(importlib.import_module(parent), name, sys.modules[place])
    for place, ours in places.items():
        for name in _public_names(place):
            if not hasattr(sys.modules[place], name):
                setattr(sys.modules[place], name, _stand_in(f"{ours}.{name}"))
                missing.append(f"{place}.{name}")
    if "twisted.internet.error" not in places:
        _share_the_words()
    return missing


def _share_the_words() -> None:
    """Twisted's errors are ours, and what our classes implement of our interfaces they do of Twisted's."""
    from twisted.internet import error, interfaces
    from zope.interface import classImplements, implementedBy

    import twisted_compat.error as our_error

    for name in ERRORS:
        setattr(error, name, getattr(our_error, name))
    for name, module in list(sys.modules.items()):
        if not name.startswith(("twisted_compat.task", "twisted_compat.adapter")):
            continue
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == name:
                names = [interface.__name__ for interface in implementedBy(thing)]
                classImplements(thing, *(getattr(interfaces, name) for name in names))


def _import_or_empty(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return ModuleType(name)


def _public_names(place: str) -> list[str]:
    """``__all__`` of Twisted's module, which is read and not imported: ours sits in its place."""
    parent, _, name = place.rpartition(".")
    path = Path(sys.modules[parent].__path__[0], f"{name}.py")
    if not path.exists():  # in this Twisted
        return []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id == "__all__":
                return list(ast.literal_eval(statement.value))
    return []  # it declares none


def _stand_in(name: str) -> type[Exception]:
    """Usable wherever a name is: to call, to decorate, to derive from, to except."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(f"{name} doesn't exist.")

    def __new__(cls: object, *args: object, **kwargs: object) -> Callable[..., None]:
        if len(args) == 1 and isinstance(args[0], FunctionType):  # as a decorator, while a module is imported
            return refuse
        raise NotImplementedError(f"{name} doesn't exist.")

    return type(name.rpartition(".")[2], (Exception,), {"__new__": __new__})
