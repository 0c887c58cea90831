"""What look-ups fail with; Twisted's ``twisted.names.error``.

An answer that says that it is none, such as "there is no such name", is a :class:`DomainError`, and so a
``ValueError``. Where no server gave a usable answer in time, it is a :class:`DNSQueryTimeoutError`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from twisted_compat.defer import TimeoutError
from twisted_compat.vocabulary import Vocabulary

__all__ = [
    "AuthoritativeDomainError",
    "DNSFormatError",
    "DNSNameError",
    "DNSNotImplementedError",
    "DNSQueryRefusedError",
    "DNSQueryTimeoutError",
    "DNSServerError",
    "DNSUnknownError",
    "DomainError",
    "ResolverError",
]


class _Answered(ValueError):
    def __init__(self, *args: object, message: Any = None) -> None:
        super().__init__(*args)
        self.message = message


class DomainError(_Answered):
    """A look-up failed.

    :ivar message: the answer, as dnspython's ``dns.message.Message``; None where there was none.
    """


class AuthoritativeDomainError(_Answered):
    """A look-up failed, says the server that must know. Nothing here raises it; legacy code catches it."""


class DNSFormatError(DomainError):
    """The server couldn't read the question (FORMERR); or nobody gave an answer that can be read."""


class DNSServerError(DomainError):
    """The server failed (SERVFAIL)."""


class DNSNameError(DomainError):
    """There is no such name (NXDOMAIN); or what was given can't be a name, and nobody was asked."""


class DNSNotImplementedError(DomainError):
    """The server can't answer such questions (NOTIMP)."""


class DNSQueryRefusedError(DomainError):
    """The server doesn't want to answer (REFUSED)."""


class DNSUnknownError(DomainError):
    """The server answered with another code of failure."""


class DNSQueryTimeoutError(TimeoutError):
    """No server gave a usable answer in time.

    :param id: the number of the message; not known here, so None.
    """

    def __init__(self, id: int | None = None, *args: object) -> None:
        super().__init__(*args)
        self.id = id

    def __reduce__(self) -> Any:
        return type(self), (self.id, *self.args)


class ResolverError(Exception):
    """The resolver itself ended the look-up, as its reactor stopped."""


BY_CODE: dict[int, type[DomainError]] = {
    1: DNSFormatError,
    2: DNSServerError,
    3: DNSNameError,
    4: DNSNotImplementedError,
    5: DNSQueryRefusedError,
}


def error_for(code: int, text: str, message: Any) -> DomainError:
    """The error for an answer with that code (RFC 1035, section 4.1.1)."""
    return BY_CODE.get(code, DNSUnknownError)(text, message=message)


def timeout_error(words: Vocabulary, text: str) -> Exception:
    """A DNSQueryTimeoutError that is also the ``TimeoutError`` of the reactor's Deferreds."""
    error: Exception = _timeout_class(words.defer.TimeoutError)(None, text)
    return error


@lru_cache(maxsize=8)
def _timeout_class(of_deferreds: type[Any]) -> Any:
    if issubclass(DNSQueryTimeoutError, of_deferreds):
        return DNSQueryTimeoutError

    def reduce(error: Any) -> Any:  # as the one that can be found by its name
        return DNSQueryTimeoutError, (error.id, *error.args)

    return type("DNSQueryTimeoutError", (DNSQueryTimeoutError, of_deferreds), {"__reduce__": reduce})


def lookup_error(words: Vocabulary, text: str, cause: BaseException | None = None) -> Exception:
    """The DNSLookupError of the reactor's vocabulary, which is also what it is because of: a DNSNameError,
    for example, or for a matter of time the ``TimeoutError`` of the Deferreds."""
    kind: Any = words.error.DNSLookupError
    if isinstance(cause, (DomainError, DNSQueryTimeoutError)):
        both: Any = type(cause)
        error: Exception = _lookup_class(kind, both)(text)
        vars(error).update(vars(cause))
    else:
        error = kind(text)
    error.__cause__ = cause
    return error


@lru_cache(maxsize=32)
def _lookup_class(lookup_error: type[Any], cause: type[Any]) -> Any:
    known = next(base for base in cause.__mro__ if globals().get(base.__name__) is base)

    def reduce(error: Any) -> Any:
        return _made_again, (lookup_error, known, error.args), vars(error)

    return type(lookup_error.__name__, (lookup_error, cause), {"__reduce__": reduce})


def _made_again(lookup_error: Any, cause: Any, args: Any) -> Any:
    return _lookup_class(lookup_error, cause)(*args)
