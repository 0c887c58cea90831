"""What look-ups fail with, beside Twisted's errors."""

from __future__ import annotations

import pickle

import pytest

from tests.support import TWISTED_IS_INSTALLED
from twisted_compat.defer import TimeoutError
from twisted_compat.error import DNSLookupError
from twisted_compat.names import error
from twisted_compat.vocabulary import NATIVE


@pytest.mark.skipif(not TWISTED_IS_INSTALLED, reason="Twisted isn't installed")
def test_the_errors_are_those_of_twisteds_and_as_much_akin() -> None:
    from twisted.names import error as theirs

    assert sorted(theirs.__all__) == sorted(error.__all__)
    kinds = {name: (getattr(error, name), getattr(theirs, name)) for name in error.__all__}
    for one, other in kinds.values():
        for base, their_base in (*kinds.values(), (ValueError, ValueError)):
            assert issubclass(one, base) == issubclass(other, their_base)


def test_errors_carry_the_answer() -> None:
    answer = object()
    for code, kind in ((1, error.DNSFormatError), (3, error.DNSNameError), (23, error.DNSUnknownError)):
        made = error.error_for(code, "text", answer)
        assert (type(made), made.args, made.message) == (kind, ("text",), answer)
    assert error.DomainError().message is None
    late = error.DNSQueryTimeoutError(7)
    assert (late.id, str(late)) == (7, "")


def test_a_timeout_is_one_of_deferreds_and_so_is_that_of_a_host() -> None:
    late = error.timeout_error(NATIVE, "text")
    assert type(late) is error.DNSQueryTimeoutError
    assert isinstance(late, TimeoutError)
    assert str(late) == "text"
    answer = object()
    for cause in (late, None, error.DNSNameError("no", message=answer), error.ResolverError("no")):
        failed = error.lookup_error(NATIVE, "text", cause)
        assert isinstance(failed, DNSLookupError)
        assert str(failed) == "The host name could not be resolved: text."
        assert (
            isinstance(failed, TimeoutError)
            == isinstance(failed, error.DNSQueryTimeoutError)
            == (cause is late)
        )
        assert isinstance(failed, error.DNSNameError) == isinstance(cause, error.DNSNameError)
        assert getattr(failed, "message", None) is getattr(cause, "message", None)
        assert failed.__cause__ is cause


def test_errors_can_be_sent_elsewhere() -> None:
    for one in (error.DNSQueryTimeoutError(3, "text"), error.DNSNameError("text")):
        again = pickle.loads(pickle.dumps(one))
        assert (type(again), again.args, vars(again)) == (type(one), one.args, vars(one))
        failed = error.lookup_error(NATIVE, "text", one)
        again = pickle.loads(pickle.dumps(failed))
        assert (type(again), again.args, vars(again)) == (type(failed), failed.args, vars(one))
