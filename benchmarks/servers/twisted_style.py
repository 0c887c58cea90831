"""Every workload as Twisted's API has it, written once: for this package and for Twisted itself.

The two differ in where their modules come from and in nothing else, so :func:`factory` is given those.
"""

from __future__ import annotations

from typing import Any

__all__ = ["factory"]


def _echo(words: Any) -> type[Any]:
    class Echo(words.protocol.Protocol):  # type: ignore[misc]  # whichever library's it is, mypy can't know
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    return Echo


_PROTOCOLS = {"echo": _echo}


def factory(workload: str, words: Any) -> Any:
    """The factory that serves ``workload``.

    :param words: has the library's modules: ``protocol``, ``basic`` (with LineReceiver).
    """
    return words.protocol.Factory.forProtocol(_PROTOCOLS[workload](words))
