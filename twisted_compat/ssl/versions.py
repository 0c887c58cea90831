"""The versions of TLS, and which of them a context allows."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator

from OpenSSL import SSL

__all__ = ["DEFAULT_MINIMUM", "TLSVersion", "disabled_by", "oldest_allowed"]


@functools.total_ordering
class TLSVersion(enum.Enum):
    """A version of TLS. Older ones are less than newer ones."""

    SSLv3 = 0
    TLSv1_0 = 1
    TLSv1_1 = 2
    TLSv1_2 = 3
    TLSv1_3 = 4

    def __lt__(self, other: object) -> bool:
        return self.value < other.value if isinstance(other, TLSVersion) else NotImplemented

    @classmethod
    def iterconstants(cls) -> Iterator[TLSVersion]:
        """Go through them, the oldest first; Twisted's constants call it so."""
        return iter(cls)

    @classmethod
    def lookupByName(cls, name: str) -> TLSVersion:
        """Find one by its name; Twisted's constants call it so.

        :raises ValueError: if there is none.
        """
        try:
            return cls[name]
        except KeyError:
            raise ValueError(name) from None


DEFAULT_MINIMUM = TLSVersion.TLSv1_2
"""Older ones are not safe any more."""

SWITCHES = {
    TLSVersion.SSLv3: SSL.OP_NO_SSLv3,
    TLSVersion.TLSv1_0: SSL.OP_NO_TLSv1,
    TLSVersion.TLSv1_1: SSL.OP_NO_TLSv1_1,
    TLSVersion.TLSv1_2: SSL.OP_NO_TLSv1_2,
    TLSVersion.TLSv1_3: SSL.OP_NO_TLSv1_3,
}
"""The option of OpenSSL's that takes each version away."""


def disabled_by(oldest: TLSVersion, newest: TLSVersion | None = None) -> int:
    """Give the options of OpenSSL's that leave these versions and those between them.

    :param newest: None for the newest there is.
    """
    options = 0
    for version, option in SWITCHES.items():
        if version < oldest or (newest is not None and version > newest):
            options |= option
    return options


def oldest_allowed(
    raised: TLSVersion | None,
    lowered: TLSVersion | None,
    newest: TLSVersion | None,
    default: TLSVersion = DEFAULT_MINIMUM,
) -> TLSVersion:
    """Decide which version is the oldest to allow.

    :param raised: at least this one, or the default if that is newer.
    :param lowered: this one, even if it is older than the default. Not together with ``raised``.
    :param newest: the newest to allow, or None; without a word about the oldest, it may be older than the
        default.
    :raises ValueError: if the oldest were newer than the newest.
    """
    if raised is not None and newest is not None and raised > newest:
        raise ValueError(
            f"raiseMinimumTo={raised} is newer than lowerMaximumSecurityTo={newest}, which leaves no version."
        )
    if raised is not None and raised > default:
        lowered = raised
    if lowered is None:
        return default if newest is None else min(default, newest)
    if newest is not None and lowered > newest:
        raise ValueError(
            f"insecurelyLowerMinimumTo={lowered} is newer than lowerMaximumSecurityTo={newest}, "
            "which leaves no version."
        )
    return lowered
