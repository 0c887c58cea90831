"""Which servers are asked, and the search list: ``resolv.conf(5)``, which dnspython reads."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from typing import Any

import dns.exception
import dns.inet
import dns.name
import dns.resolver

from twisted_compat.names.dns import PORT
from twisted_compat.vocabulary import Vocabulary

__all__ = ["Configuration", "Server", "Settings", "as_server"]

Server = tuple[str, int]
Path = str | bytes | os.PathLike[str]

MOST_DOTS = 15  # of "options ndots", says resolv.conf(5)
NOBODY_NAMED: tuple[Server, ...] = (("127.0.0.1", PORT),)  # resolv.conf(5): the one on this machine


@dataclass(frozen=True)
class Settings:
    """What a ``resolv.conf`` says.

    :ivar servers: whom to ask, in their order.
    :ivar search: what to append to names that may not be complete.
    :ivar dots: a name with as many dots is asked for as it is first.
    :ivar rotate: whether each look-up begins with the next server.
    """

    servers: tuple[Server, ...] = NOBODY_NAMED
    search: tuple[dns.name.Name, ...] = ()
    dots: int = 1
    rotate: bool = False

    def candidates(self, name: dns.name.Name) -> list[dns.name.Name]:
        """The names to ask for, one after another until one is there. An absolute name is the only one."""
        if name.is_absolute():
            return [name]
        complete = name.concatenate(dns.name.root)
        appended = []
        for suffix in self.search:
            try:
                longer = name.concatenate(suffix)
            except dns.name.NameTooLong:
                continue
            if longer != complete:
                appended.append(longer)
        return [complete, *appended] if len(name) - 1 >= self.dots else [*appended, complete]


def as_server(given: Any) -> Server:
    """An address, or an address and a port, as both.

    :raises ValueError: if it is neither.
    """
    host, port, *more = given if isinstance(given, (tuple, list)) and len(given) > 1 else (given, PORT)
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    is_port = type(port) is int and 0 < port < 65_536
    if more or not is_port or not isinstance(host, str) or not dns.inet.is_address(host):
        raise ValueError(
            f"A name server is an IP address, or an IP address and a port, not {given!r}. "
            "Write, for example, servers=[('192.0.2.53', 53)]."
        )
    return host, port


class Configuration:
    """The settings, from a file that is read again whenever it has changed.

    :param path: the file; None for no file. One that isn't there is as an empty one.
    :param servers: to be asked before those of the file.
    :param search: the search list, in the place of the file's.
    """

    def __init__(
        self, path: Path | None, servers: tuple[Server, ...], search: tuple[dns.name.Name, ...] | None
    ) -> None:
        self._path = path
        self._servers = servers
        self._search = search
        self._seen: Any = ()
        self._settings = Settings()

    def settings(self, words: Vocabulary) -> Settings:
        """What holds now.

        :param words: whose log is told of what can't be understood.
        """
        seen = file_state(self._path)
        if seen != self._seen:
            self._seen = seen
            self._settings = self._made(words)
        return self._settings

    def _made(self, words: Vocabulary) -> Settings:
        if self._path is None:
            settings = Settings(servers=self._servers)
        else:
            settings = _read(self._path, words)
            # An empty file names the server on this machine, unless somebody else was named here.
            if self._servers and settings.servers is NOBODY_NAMED:
                settings = replace(settings, servers=self._servers)
            else:
                settings = replace(settings, servers=(*self._servers, *settings.servers))
        return settings if self._search is None else replace(settings, search=self._search)


def file_state(path: Path | None) -> Any:
    """What changes when a file does; None if it isn't there."""
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _read(path: Path, words: Vocabulary) -> Settings:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")  # at no other characters
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            words.log.warning("%r can't be read: %s. The name server on this machine is asked.", path, error)
        return Settings()
    good = [line for line in lines if _is_understood(line, path, words)]
    resolver = dns.resolver.Resolver(configure=False)
    try:
        resolver.read_resolv_conf(io.StringIO("\n".join(good)))
    except dns.resolver.NoResolverConfiguration:  # no servers: the rest has been read
        servers = NOBODY_NAMED
    else:
        servers = tuple((str(address), PORT) for address in resolver.nameservers)
    # As resolv.conf(5) has it: what the machine's own name ends with, where the file says nothing.
    search = resolver.search or ([] if resolver.domain == dns.name.root else [resolver.domain])
    dots = 1 if resolver.ndots is None else min(max(resolver.ndots, 0), MOST_DOTS)
    return Settings(servers, tuple(search), dots, resolver.rotate)


def _is_understood(line: str, path: Path, words: Vocabulary) -> bool:
    """Whether dnspython can read the line: one that it can't would be the end of the file for it."""
    key, *values = line.split() or [""]
    try:
        if key == "nameserver":
            as_server(values[0])
        elif key in ("domain", "search"):
            for value in values:
                dns.name.from_text(value)
    except (IndexError, ValueError, dns.exception.DNSException):
        words.log.warning("%r: a line that can't be understood is left out: %s", path, line)
        return False
    return True
