"""Deferreds: results that aren't there yet, under the names of Twisted's ``twisted.internet.defer``.

======================  ================================================================================
``deferred``            :class:`Deferred`
``gathering``           :func:`succeed`, :func:`fail`, :func:`maybeDeferred`, :func:`ensureDeferred`,
                        :class:`DeferredList`, …
``inline``              :func:`inlineCallbacks`, :func:`returnValue`
``locks``, ``queues``   :class:`DeferredLock`, :class:`DeferredSemaphore`, :class:`DeferredQueue`
``filelock``            :class:`FilesystemLock`, :class:`DeferredFilesystemLock`: locks between processes
``errors``              what they raise and fail with
``driver``              private: what runs a generator; ``coroutine`` adds what coroutines need, and
                        ``coroutine_task`` is what asyncio sees of one
``waiter``, ``futures`` private: how an asyncio task waits for a Deferred; Deferreds from and to futures
``record``              private: the log of unhandled failures
``row``                 private: what the locks and queues keep those who wait in
``misuse``              private: what is said to code that fires one twice, or has it wait for itself
======================  ================================================================================

Part of the vocabulary, the lowest layer: it needs :mod:`twisted_compat.failure` alone, and imports asyncio
only when a Deferred is awaited or a coroutine run.
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
from twisted_compat.defer.filelock import (
    AlreadyTryingToLockError,
    DeferredFilesystemLock,
    FilesystemLock,
    isLocked,
)
from twisted_compat.defer.gathering import (
    FAILURE,
    SUCCESS,
    DeferredList,
    ensureDeferred,
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
from twisted_compat.defer.inline import inlineCallbacks, returnValue
from twisted_compat.defer.locks import DeferredLock, DeferredSemaphore
from twisted_compat.defer.queues import DeferredQueue, QueueOverflow, QueueUnderflow

__all__ = [
    "FAILURE",
    "SUCCESS",
    "AlreadyCalledError",
    "AlreadyTryingToLockError",
    "CancelledError",
    "Deferred",
    "DeferredFilesystemLock",
    "DeferredList",
    "DeferredLock",
    "DeferredQueue",
    "DeferredSemaphore",
    "FailureGroup",
    "FilesystemLock",
    "FirstError",
    "NotACoroutineError",
    "QueueOverflow",
    "QueueUnderflow",
    "TimeoutError",
    "ensureDeferred",
    "execute",
    "fail",
    "gatherResults",
    "getDebugging",
    "inlineCallbacks",
    "isLocked",
    "logError",
    "maybeDeferred",
    "passthru",
    "race",
    "returnValue",
    "setDebugging",
    "succeed",
    "timeout",
]
