"""Warnings put off for the length of a call, or until a Deferred fires."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from twisted_compat.defer import Deferred
from twisted_compat.failure import Failure
from twisted_compat.utils import runWithWarningsSuppressed, suppressWarnings

HIDDEN = (("ignore",), {"message": "hidden"})
AND_MORE = (("ignore", "more"), {})


@pytest.fixture
def heard() -> Iterator[Callable[[], list[str]]]:
    """The warnings shown since it was last asked for them. In the end the filters must be what they were."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = list(warnings.filters)

        def since() -> list[str]:
            texts = [str(warning.message) for warning in caught]
            caught.clear()
            return texts

        yield since
        assert list(warnings.filters) == before


def warn(*texts: str, result: Any = None, raising: BaseException | None = None) -> Any:
    for text in texts:
        warnings.warn(text, stacklevel=2)
    if raising is not None:
        raise raising
    return result


def test_warnings_are_hidden_during_a_call(heard: Any) -> None:
    assert runWithWarningsSuppressed([HIDDEN], warn, "hidden", "shown", result=42) == 42
    assert heard() == ["shown"]
    warn("hidden")
    assert heard() == ["hidden"]
    assert runWithWarningsSuppressed([HIDDEN, AND_MORE], warn, "hidden", "more", "shown") is None
    assert heard() == ["shown"]
    assert runWithWarningsSuppressed([], warn, "hidden") is None
    assert heard() == ["hidden"]


def test_what_the_call_raises_comes_out(heard: Any) -> None:
    for error in (KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            runWithWarningsSuppressed([HIDDEN, AND_MORE], warn, "hidden", raising=error)
        assert caught.value is error
        warn("hidden")
        assert heard() == ["hidden"]


def test_warnings_are_hidden_until_a_deferred_fires(heard: Any) -> None:
    for outcome in ("yes", Failure(KeyError("no"))):
        deferred: Deferred[Any] = Deferred()
        results: list[Any] = []
        assert runWithWarningsSuppressed([HIDDEN, AND_MORE], warn, result=deferred) is deferred
        warn("hidden", "more", "shown")
        assert heard() == ["shown"]
        deferred.callback(outcome)
        warn("hidden")
        assert heard() == ["hidden"]
        deferred.addBoth(results.append)
        assert results == [outcome]


def test_two_that_overlap_take_away_their_own(heard: Any) -> None:
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()
    runWithWarningsSuppressed([HIDDEN], warn, result=first)
    runWithWarningsSuppressed([AND_MORE], warn, result=second)
    first.callback(None)
    warn("hidden", "more")
    assert heard() == ["hidden"]
    second.callback(None)


def test_filters_that_went_meanwhile_are_not_missed(heard: Any) -> None:
    def forget() -> None:
        del warnings.filters[0]  # type: ignore[attr-defined] # it is a list

    runWithWarningsSuppressed([HIDDEN], forget)


def test_a_function_may_be_wrapped_once_and_for_all(heard: Any) -> None:
    quiet = suppressWarnings(warn, HIDDEN, AND_MORE)
    assert quiet.__name__ == "warn"
    for _ in range(2):
        assert quiet("hidden", "more", "shown", result=7) == 7
        assert heard() == ["shown"]
    deferred: Deferred[None] = Deferred()
    quiet(result=deferred)
    warn("hidden")
    assert heard() == []
    deferred.callback(None)
    warn("hidden")
    assert heard() == ["hidden"]
