"""The exceptions a Deferred deals in.

They stand below everything else of the package: :mod:`~twisted_compat.defer.deferred` raises them,
:mod:`~twisted_compat.defer.gathering` wraps failures in them, :mod:`~twisted_compat.defer.waiter` maps them
to asyncio's.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_compat.failure import Failure

__all__ = [
    "AlreadyCalledError",
    "CancelledError",
    "FailureGroup",
    "FirstError",
    "NotACoroutineError",
    "TimeoutError",
]


class AlreadyCalledError(Exception):
    """``callback`` or ``errback`` was called on a Deferred that has already been fired.

    Its one argument, in debug mode only, are the stacks on which that was made and fired.
    """

    def __str__(self) -> str:
        return super().__str__() or (
            "This Deferred has been fired already, and can be only once. "
            "To see where, write `defer.setDebugging(True)` before it is made."
        )


class CancelledError(Exception):
    """What a cancelled Deferred fails with when its canceller gave it no other result.

    Not :class:`asyncio.CancelledError`: see :meth:`twisted_compat.defer.Deferred.__await__` for how the two
    are mapped.
    """


class TimeoutError(Exception):
    """What a Deferred fails with when the time given to :meth:`~twisted_compat.defer.Deferred.addTimeout`
    is over.
    """


class NotACoroutineError(TypeError):
    """Something other than a coroutine was given where one is needed."""


class FirstError(Exception):
    """The first failure in a :class:`~twisted_compat.defer.DeferredList` made with ``fireOnOneErrback``.

    Two are equal when both the index and the failure are.

    :ivar subFailure: the :class:`~twisted_compat.failure.Failure` of the Deferred that failed.
    :ivar index: the position of that Deferred in the list.
    """

    def __init__(self, failure: Failure, index: int) -> None:
        super().__init__(failure, index)
        self.subFailure = failure
        self.index = index

    def __repr__(self) -> str:
        return f"FirstError[#{self.index}, {self.subFailure.value!r}]"

    def __str__(self) -> str:
        return f"FirstError[#{self.index}, {self.subFailure}]"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FirstError):
            return NotImplemented
        return self.index == other.index and self.subFailure == other.subFailure

    def __hash__(self) -> int:
        return hash((self.index, self.subFailure))


class FailureGroup(Exception):
    """Every Deferred given to :func:`~twisted_compat.defer.race` failed.

    :ivar failures: their failures, in the order in which the Deferreds were given.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(failures)  # which copying and pickling give back to this
        self.failures = failures
