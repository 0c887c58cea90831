"""Kinds of endpoints from other packages, as their entry points say.

A package that brings a kind of endpoint names its parser in the group :data:`GROUP`; in ``pyproject.toml``::

    [project.entry-points."twisted_compat.endpoints"]
    onion = "onions.endpoints:OnionParser"

The parser, or a class that makes one without arguments, provides IStreamServerEndpointStringParser,
IStreamClientEndpointStringParserWithReactor, or both.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
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


def find_parser(prefix: str, kinds: frozenset[str], standard: Mapping[frozenset[str], frozenset[str]]) -> Any:
    """The parser of a prefix; None if no package has one.

    Packages are looked for only when none of those known has it, since that reads many files.

    :param prefix: in lower case.
    :param kinds: the names of the interfaces of which it has to provide one.
    :param standard: for each such set of names, the prefixes that a package can't have.
    """
    parser = _known(prefix, kinds)
    if parser is None:
        for entry_point in sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value)):
            if entry_point not in _loaded:
                _loaded[entry_point] = _load(entry_point, standard)
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


def _load(entry_point: EntryPoint, standard: Mapping[frozenset[str], frozenset[str]]) -> Any:
    """Its parser; None, and a line in the log, if there is anything wrong with it."""
    try:
        parser = entry_point.load()
        if isinstance(parser, type):
            parser = parser()
        if not _provides(parser, SERVER_PARSERS | CLIENT_PARSERS):
            raise TypeError(f"{parser!r} provides no interface of a parser")
        prefix = parser.prefix.lower()
    except (Exception, SystemExit):
        name, value = entry_point.name, entry_point.value
        logger.warning("A kind of endpoint is left out: %s = %s", name, value, exc_info=True)
        return None
    if any(
        _provides(parser, kinds) and (prefix in taken or _known(prefix, kinds) is not None)
        for kinds, taken in standard.items()
    ):
        logger.warning(
            "%s = %s can't have the prefix %r, which another kind of endpoint has",
            entry_point.name,
            entry_point.value,
            prefix,
        )
    return parser
