"""Packages with entry points, as an installer leaves them: in a directory that is on ``sys.path``."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["GROUP", "HEAD", "RECORDING", "installed"]

GROUP = "twisted_compat.endpoints"

HEAD = """
from zope.interface import implementer
from twisted_compat.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, UNIXClientEndpoint
from twisted_compat.interfaces import (
    IStreamClientEndpointStringParser,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpointStringParser,
)
"""
"""What modules of plugins begin with."""

RECORDING = (
    HEAD
    + """
@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class Parser:
    prefix = "{prefix}"

    def parseStreamServer(self, reactor, *args, **kwargs):
        return "server", reactor, args, kwargs

    def parseStreamClient(self, reactor, *args, **kwargs):
        return "client", reactor, args, kwargs
"""
)
"""One whose endpoints are what it was told, and nothing more."""

_numbers = itertools.count()


@contextmanager
def installed(directory: Path, module: str, *objects: str, group: str = GROUP) -> Iterator[str]:
    """A distribution of one module, as long as the block runs.

    :param directory: where to put it, into a directory of its own.
    :param module: the module's text.
    :param objects: the names in it of what its entry points name, in this order; nothing for ``Parser``.
    :returns: the module's name, which is the distribution's as well.
    """
    name = f"plugged_{next(_numbers)}"
    place = directory / name
    information = place / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (place / f"{name}.py").write_text(module)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = [f"{name}-{each} = {name}:{each}" for each in objects or ["Parser"]]
    (information / "entry_points.txt").write_text("\n".join([f"[{group}]", *points, ""]))
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()
    try:
        yield name
    finally:
        sys.path.remove(str(place))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
