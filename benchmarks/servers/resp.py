"""The Redis server of ``examples``, for whichever library is measured; and what is left without its work.

The very source that this project's demo runs is loaded: for Twisted with the modules that it imports from
this package replaced by Twisted's, which have the same names in them. ``resp_asyncio`` has it without a
reactor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Answers", "factory", "null", "source"]

_FILE = Path("examples", "resp_server.py")
_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE, _PACKAGE.parent)  # in a wheel inside this package, in a checkout beside it

START = b"*3\r\n"
"""What a SET begins with, and nothing else that redis-benchmark sends for one."""


class Answers:
    """What a client that sends SET is answered, without looking at what it sets."""

    def __init__(self) -> None:
        self._tail = b""  # the last bytes so far: they may be the first half of a START

    def to(self, data: bytes) -> bytes:
        """An OK for each request that begins in ``data``."""
        whole = self._tail + data
        self._tail = whole[1 - len(START) :]
        return b"+OK\r\n" * whole.count(START)


def source(**modules: Any) -> ModuleType:
    """The example's module, made anew.

    :param modules: what it shall have for ``twisted_compat`` (``internet``), its ``protocol`` and its
        ``protocols.basic`` (``basic``); nothing for this package's own.
    """
    path = next(place / _FILE for place in _PLACES if (place / _FILE).is_file())
    spec = spec_from_file_location(f"{__package__}.resp_server", path)
    assert spec is not None and spec.loader is not None, path
    module = module_from_spec(spec)
    names = {
        "internet": "twisted_compat",
        "protocol": "twisted_compat.protocol",
        "basic": "twisted_compat.protocols.basic",
    }
    with _standing_in({names[name]: each for name, each in modules.items()}):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _standing_in(modules: dict[str, Any]) -> Iterator[None]:
    """While the block runs, imports of these names find these modules."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def factory(words: Any) -> Any:
    """The database, and what serves it.

    :param words: see ``twisted_style``.
    """
    return source(internet=words.internet, protocol=words.protocol, basic=words.basic).RespFactory()


def null(words: Any) -> type[Any]:
    """A protocol that answers and does nothing else."""

    class Null(words.protocol.Protocol):  # type: ignore[misc]  # whichever library's it is, mypy can't know
        def connectionMade(self) -> None:
            self.answers = Answers()

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(self.answers.to(data))

    return Null
