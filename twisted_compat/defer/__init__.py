"""Deferreds: results that aren't there yet, under the names of Twisted's ``twisted.internet.defer``.

======================  ================================================================================
``deferred``            :class:`Deferred`
``gathering``           :func:`succeed`, :func:`fail`, :func:`maybeDeferred`, :class:`DeferredList`, …
``errors``              what they raise and fail with
``record``, ``waiter``  private: the log of unhandled failures; what an asyncio task waits on
``misuse``              private: what is said to code that fires one twice, or has it wait for itself
======================  ================================================================================

Part of the vocabulary, the lowest layer: it needs :mod:`twisted_compat.failure` alone, and imports asyncio
only when a Deferred is awaited.
"""

from twisted_compat.defer.deferred import Deferred, getDebugging, setDebugging
from twisted_compat.defer.errors import (
    AlreadyCalledError,
    CancelledError,
    FailureGroup,
    FirstError,
    NotACoroutineError,
    TimeoutError,
)
from twisted_compat.defer.gathering import (
    FAILURE,
    SUCCESS,
    DeferredList,
    execute,
    fail,
    gatherResults,
    logError,
    maybeDeferred,
    passthru,
    race,
    succeed,
    timeout,
)

__all__ = [
    "FAILURE",
    "SUCCESS",
    "AlreadyCalledError",
    "CancelledError",
    "Deferred",
    "DeferredList",
    "FailureGroup",
    "FirstError",
    "NotACoroutineError",
    "TimeoutError",
    "execute",
    "fail",
    "gatherResults",
    "getDebugging",
    "logError",
    "maybeDeferred",
    "passthru",
    "race",
    "setDebugging",
    "succeed",
    "timeout",
]
