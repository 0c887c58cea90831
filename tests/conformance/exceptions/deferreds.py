"""Of the family "deferreds": what depends on how Twisted is written inside, or prints."""

from __future__ import annotations

from tests.conformance.exceptions.table import Excepted, because

__all__ = ["EXCEPTIONS"]

DEFER = "twisted.test.test_defer."
INLINE = "twisted.internet.test.test_inlinecb."
TASK = "twisted.test.test_task."
COOPERATOR = "twisted.test.test_cooperator."
FAILURES = "twisted.test.test_failure."
THREADS = "twisted.test.test_threads."

PRIVATE = "private attribute"
WORDING = "wording of a warning"
FORMAT = "printing format"
CHILDREN = "Twisted's reactor on uvloop"


EXCEPTIONS: tuple[Excepted, ...] = (
    *because(
        PRIVATE,
        "_DEFERRED_SUBCLASSES, the list that Twisted keeps of them",
        DEFER + "DeferredTests.test_DEFERRED_SUBCLASSES",
    ),
    *because(
        PRIVATE,
        "_chainedTo, where Twisted keeps what a Deferred waits for",
        DEFER + "DeferredTests.test_chainDeferredRecordsExplicitChain",
        DEFER + "DeferredTests.test_chainDeferredRecordsImplicitChain",
        DEFER + "DeferredTests.test_explicitChainClearedWhenResolved",
    ),
    *because(
        PRIVATE,
        "_theCooperator, _tasks, _delayedCall, _tick or _pauseCount of a Cooperator",
        COOPERATOR + "AliasTests.test_cooperate",
        COOPERATOR + "CooperatorTests.testResourceExhaustion",
        COOPERATOR + "CooperatorTests.test_removingLastTaskStopsScheduledCall",
        COOPERATOR + "RunStateTests.test_stopDeferred",
    ),
    *because(
        PRIVATE,
        "_Code, _Frame and _Traceback, stand-ins for Python's own; ours are Python's own",
        FAILURES + "FakeAttributesTests.*",
        FAILURES + "FormattableTracebackTests.*",
    ),
    *because(
        PRIVATE,
        "_withoutTraceback of Failure, and the same instance dictionary",
        FAILURES + "FailureTests.test_failureWithoutTraceback",
        FAILURES + "FailureTests.test_failurePickling",
    ),
    *because(
        WORDING,
        "names Twisted's module and the release of Twisted that deprecated it",
        DEFER + "DeferredTests.test_callbacksAttributeDeprecated",
        DEFER + "TimeoutErrorTests.test_deprecatedTimeout",
        FAILURES + "FailureTests.test_stackDeprecation",
        INLINE + "BasicTests.testReturnValueDeprecated",
        INLINE + "BasicTests.test_internalDefGenReturnValueDoesntLeak",
        INLINE + "NonLocalExitTests.test_returnValueNonLocalDeferred",
        INLINE + "NonLocalExitTests.test_returnValueNonLocalWarning",
        TASK + "LoopTests.test_deferredDeprecation",
    ),
    *because(
        FORMAT,
        "Twisted's layout of a detailed traceback",
        FAILURES + "FailureTests.test_printDetailedTraceback",
        FAILURES + "FailureTests.test_printDetailedTracebackCapturedVars",
        FAILURES + "FailureTests.test_printDetailedTracebackCapturedVarsCleaned",
    ),
    *because(
        FORMAT,
        "Python's traceback has marks below the line, and no 'builtins.' before an exception's name",
        FAILURES + "FailureTests.test_printTraceback",
        FAILURES + "FailureTests.test_printTracebackCapturedVars",
    ),
    *because(
        FORMAT,
        "the repr of a Failure says in which module the class is, and that is ours",
        FAILURES + "FailureTests.test_repr",
    ),
    Excepted(
        THREADS + "StartupBehaviorTests.testCallBeforeStartupUnexecuted",
        CHILDREN,
        "misses now and then that a child process has ended: uvloop takes the signal's file descriptor",
        ("uvloop",),
        steady=False,
    ),
)
