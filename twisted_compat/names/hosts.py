"""The hosts file, ``hosts(5)``: hosts whose addresses are known without asking anybody."""

from __future__ import annotations

from typing import Any

from twisted_compat.names.config import Path, file_state
from twisted_compat.transport.sockets import is_literal
from twisted_compat.vocabulary import Vocabulary

__all__ = ["HostsFile"]


class HostsFile:
    """The addresses in a hosts file, which is read again whenever it has changed.

    :param path: the file; None for none. One that isn't there is as an empty one.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: Any = ()
        self._addresses: dict[str, list[str]] = {}

    def addresses(self, name: str, words: Vocabulary) -> list[str]:
        """The addresses of a host, IPv4 and IPv6, in the file's order.

        :param name: in whatever case; with or without a dot at its end.
        :param words: whose log is told if the file can't be read.
        """
        seen = file_state(self._path)
        if seen != self._seen:
            self._seen = seen
            self._addresses = {} if seen is None else self._read(words)
        return self._addresses.get(name.lower().removesuffix("."), [])

    def _read(self, words: Vocabulary) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        try:
            with open(self._path or "", encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")  # at no other characters
        except OSError as error:
            words.log.warning("%r can't be read: %s. It is as if it were empty.", self._path, error)
            return found
        for line in lines:
            address, *names = line.partition("#")[0].split() or [""]
            if is_literal(address):
                for name in names:
                    known = found.setdefault(name.lower().removesuffix("."), [])
                    if address not in known:
                        known.append(address)
        return found
