"""Endpoints from descriptions, such as ``"tcp:8080:interface=127.0.0.1"``.

The language is in :mod:`.description`, the standard kinds are in :mod:`.prefixes`, those of other packages in
:mod:`.plugins`. Here are the two kinds that have a description of their own in them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from twisted_compat.endpoints import plugins
from twisted_compat.endpoints.description import take_apart
from twisted_compat.endpoints.haproxy import proxyEndpoint
from twisted_compat.endpoints.prefixes import CLIENTS, SERVERS, tls_client

__all__ = ["clientFromString", "serverFromString"]


def serverFromString(reactor: Any, description: str | bytes) -> Any:
    """Make the endpoint that a description describes, to listen at.

    :param reactor: the reactor to listen by.
    :param description: ``"tcp:80"``, ``"tcp6:80"``, ``"unix:/run/it.sock"``, ``"ssl:443:privateKey=it.pem"``,
        ``"tls:/etc/certificates"``, ``"stdio:"``, ``"systemd:name=web"``, ``"fd:3"``, or ``"haproxy:"``
        before any of these; docs/howto/endpoints.md has them all. Bytes are UTF-8.
    :returns: an IStreamServerEndpoint.
    :raises ValueError: if the description can't be read, or what it says can't be. TypeError, if it has too
        many parts, or too few, or one of an unknown name. OSError, if a file that it names can't be read.
    """
    return _server(reactor, *take_apart(description))


def clientFromString(reactor: Any, description: str | bytes) -> Any:
    """Make the endpoint that a description describes, to connect to.

    :param reactor: the reactor to connect by.
    :param description: ``"tcp:example.com:80"``, ``"unix:/run/it.sock"``, ``"tls:example.com:443"``,
        ``"ssl:example.com:443"``; docs/howto/endpoints.md has all that can be said. Bytes are UTF-8.
    :returns: an IStreamClientEndpoint.
    :raises ValueError: as :func:`serverFromString`; so are TypeError and OSError.
    """
    return _client(reactor, *take_apart(description))


def _server(reactor: Any, prefix: str, args: list[str], kwargs: dict[str, str]) -> Any:
    kind = prefix.lower()
    make = ALL_SERVERS.get(kind)
    if make is not None:
        return _call(make, kind, reactor, args, kwargs)
    parser = plugins.find_parser(kind, plugins.SERVER_PARSERS, STANDARD)
    if parser is None:
        raise _unknown(prefix, [*ALL_SERVERS, *plugins.known_prefixes(plugins.SERVER_PARSERS)])
    return parser.parseStreamServer(reactor, *args, **kwargs)


def _client(reactor: Any, prefix: str, args: list[str], kwargs: dict[str, str]) -> Any:
    kind = prefix.lower()
    make = ALL_CLIENTS.get(kind)
    if make is not None:
        if len(args) == 1 and "host" in kwargs and "port" not in kwargs:
            kwargs["port"] = args.pop()  # where the host has its name, what has none is the port
        if kind != "unix" and args and args[0].startswith("["):
            raise ValueError(
                f"{kind}: an IPv6 address is written without brackets, and with its colons quoted: "
                f"{kind}:\\:\\:1:80."
            )
        return _call(make, kind, reactor, args, kwargs)
    parser = plugins.find_parser(kind, plugins.CLIENT_PARSERS, STANDARD)
    if parser is None:
        raise _unknown(prefix, [*ALL_CLIENTS, *plugins.known_prefixes(plugins.CLIENT_PARSERS)])
    return parser.parseStreamClient(reactor, *args, **kwargs)


def _behind_proxy(reactor: Any, *args: str, **kwargs: str) -> Any:
    """What comes after "haproxy:" is the description of the endpoint that the proxy connects to."""
    if not args:
        raise TypeError(
            "haproxy: the endpoint behind the proxy is missing. Write, for example, haproxy:tcp:80."
        )
    return proxyEndpoint(_server(reactor, args[0], list(args[1:]), kwargs))


def _tls(reactor: Any, *args: str, endpoint: str | None = None, **kwargs: str) -> Any:
    """``endpoint`` is the description of what TLS is spoken over, if that isn't TCP."""
    over = None if endpoint is None else clientFromString(reactor, endpoint)
    return tls_client(reactor, *args, endpoint=over, **kwargs)


_tls.__signature__ = inspect.signature(tls_client)  # type: ignore[attr-defined]  # that is what it takes

ALL_SERVERS: dict[str, Callable[..., Any]] = {**SERVERS, "haproxy": _behind_proxy}
ALL_CLIENTS: dict[str, Callable[..., Any]] = {**CLIENTS, "tls": _tls}
STANDARD = {plugins.SERVER_PARSERS: frozenset(ALL_SERVERS), plugins.CLIENT_PARSERS: frozenset(ALL_CLIENTS)}
"""The prefixes that no other package can have."""


def _call(make: Callable[..., Any], kind: str, reactor: Any, args: list[str], kwargs: dict[str, str]) -> Any:
    """Call a standard kind's function.

    :raises TypeError: if it can't take that, saying what it takes.
    """
    if args == [""]:
        args = []  # "stdio:" has a part after its colon, and nothing in it
    signature = inspect.signature(make)
    try:
        signature.bind(reactor, *args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{kind}: {error}. Write {_usage(kind, signature)}.") from None
    return make(reactor, *args, **kwargs)


def _usage(kind: str, signature: inspect.Signature) -> str:
    """How a kind is written: ``tcp:port[:interface=][:backlog=50]``."""
    text = kind
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.default is parameter.empty:
            text += f":{parameter.name}"
        else:
            text += f"[:{parameter.name}={parameter.default or ''}]"
    return text


def _unknown(prefix: str, known: list[str]) -> ValueError:
    return ValueError(f"Unknown endpoint type: {prefix!r}. Those known are: {', '.join(sorted(set(known)))}.")
