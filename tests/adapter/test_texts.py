"""Calls as text."""

from __future__ import annotations

from functools import partial

from twisted_compat.adapter.texts import name_of, safe_repr


class Rude:
    def __repr__(self) -> str:
        raise LookupError

    def method(self) -> None: ...


def test_functions_have_the_name_they_were_written_with() -> None:
    assert name_of(len) == "len"
    assert name_of(Rude) == "Rude"
    assert name_of(Rude.method) == name_of(Rude().method) == "Rude.method"


def test_a_callable_without_a_name_is_shown() -> None:
    assert name_of(partial(len)) == repr(partial(len))


def test_a_name_that_is_no_text() -> None:
    call = partial(len)
    call.__name__ = 5  # type: ignore[attr-defined]
    assert name_of(call) == repr(call)


def test_a_repr_that_raises() -> None:
    assert safe_repr(Rude()) == "<Rude whose repr raised LookupError>"
    assert safe_repr("text") == "'text'"
