"""Deferreds: results that aren't there yet, under the names of Twisted's ``twisted.internet.defer``.

======================  ================================================================================
``deferred``            :class:`Deferred`
``gathering``           :func:`succeed`, :func:`fail`, :func:`maybeDeferred`, :class:`DeferredList`, …
``locks``, ``queues``   :class:`DeferredLock`, :class:`DeferredSemaphore`, :class:`DeferredQueue`
``filelock``            :class:`FilesystemLock`, :class:`DeferredFilesystemLock`: locks between processes
``errors``              what they raise and fail with
``record``, ``waiter``  private: the log of unhandled failures; what an asyncio task waits on
``row``                 private: what the locks and queues keep those who wait in
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
    "execute",
    "fail",
    "gatherResults",
    "getDebugging",
    "isLocked",
    "logError",
    "maybeDeferred",
    "passthru",
    "race",
    "setDebugging",
    "succeed",
    "timeout",
]
