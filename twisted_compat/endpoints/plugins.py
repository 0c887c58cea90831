"""Kinds of endpoints from other packages, as their entry points say.

A package that brings a kind of endpoint names its parser in the group :data:`GROUP`; in ``pyproject.toml``::

    [project.entry-points."twisted_compat.endpoints"]
    onion = "onions.endpoints:OnionParser"

The parser, or a class that makes one without arguments, provides IStreamServerEndpointStringParser,
IStreamClientEndpointStringParserWithReactor, or both.
"""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zope.interface import providedBy

__all__ = ["CLIENT_PARSERS", "GROUP", "SERVER_PARSERS", "find_parser", "known_prefixes"]

logger = logging.getLogger(__name__)

GROUP = "twisted_compat.endpoints"
"""The group of entry points."""

# By name: they may be those of Twisted's interfaces, too.
SERVER_PARSERS = frozenset({"IStreamServerEndpointStringParser"})
CLIENT_PARSERS = frozenset(
    {"IStreamClientEndpointStringParser", "IStreamClientEndpointStringParserWithReactor"}
)

_loaded: dict[EntryPoint, Any] = {}
"""Each entry point's parser; None for one that can't be used."""


def find_parser(prefix: str, kinds: frozenset[str]) -> Any:
    """The parser of a prefix; None if no package has one.

    Packages are looked for only when none of those known has it, since that reads many files.

    :param prefix: in lower case.
    :param kinds: the names of the interfaces of which it has to provide one.
    """
    parser = _known(prefix, kinds)
    if parser is None:
        _load_new()
        parser = _known(prefix, kinds)
    return parser


def known_prefixes(kinds: frozenset[str]) -> list[str]:
    """The prefixes that packages bring."""
    return [parser.prefix.lower() for parser in _loaded.values() if _provides(parser, kinds)]


def _known(prefix: str, kinds: frozenset[str]) -> Any:
    for parser in _loaded.values():
        if _provides(parser, kinds) and parser.prefix.lower() == prefix:
            return parser
    return None


def _provides(parser: Any, kinds: frozenset[str]) -> bool:
    return parser is not None and any(interface.__name__ in kinds for interface in providedBy(parser))


def _load_new() -> None:
    for entry_point in sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value)):
        if entry_point not in _loaded:
            _loaded[entry_point] = _load(entry_point)


def _load(entry_point: EntryPoint) -> Any:
    """Its parser; None, and a line in the log, if there is anything wrong with it."""
    try:
        parser = entry_point.load()
        if isinstance(parser, type):
            parser = parser()
        if not _provides(parser, SERVER_PARSERS | CLIENT_PARSERS):
            raise TypeError(f"{parser!r} provides no interface of a parser")
        parser.prefix.lower()
    except Exception:
        logger.warning(
            "A kind of endpoint is left out: %s = %s", entry_point.name, entry_point.value, exc_info=True
        )
        return None
    return parser
