"""How long is waited for whom."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from twisted_compat.names.patience import Patience

DEFAULT = (1, 3, 11, 45)


def test_a_sequence_is_the_seconds_of_each_round_for_each_server() -> None:
    patience = Patience.of((2, 5), DEFAULT, 100.0)
    assert list(patience.tries()) == [0, 1]
    assert patience.seconds(0, 3, 100.0) == patience.seconds(0, 1, 999.0) == 2
    assert patience.seconds(1, 3, 999.0) == 5


def test_a_number_is_the_seconds_for_everything_in_which_each_server_has_its_turn() -> None:
    patience = Patience.of(10, DEFAULT, 100.0)
    assert patience.seconds(0, 2, 100.0) == 1
    assert patience.seconds(1, 2, 102.0) == 3
    assert patience.seconds(2, 2, 108.0) == 1
    assert patience.seconds(2, 1, 109.0) == 1
    assert patience.seconds(2, 1, 110.0) == 0
    assert list(itertools.islice(patience.tries(), 9))[-1] == 8
    assert Patience.of(0.3, DEFAULT, 0.0).seconds(0, 3, 0.0) == pytest.approx(0.1)


def test_none_is_the_default() -> None:
    assert (
        Patience.of(None, DEFAULT, 7.0)
        == Patience.of((), DEFAULT, 0.0)
        == Patience.of([], DEFAULT, 0.0)
        == Patience.of(DEFAULT, 5, 0.0)
    )
    assert Patience.of(None, 5.0, 7.0) == Patience.of(5, 5.0, 7.0)


def test_look_ups_wait_alike_whenever_they_began() -> None:
    assert Patience.of(5, DEFAULT, 0.0).key == Patience.of(5.0, DEFAULT, 9.0).key
    assert Patience.of(5, DEFAULT, 0.0).key != Patience.of((5,), DEFAULT, 0.0).key
    assert Patience.of(None, DEFAULT, 0.0).joinable == Patience.of(60, DEFAULT, 0.0).joinable == 1
    assert Patience.of(1, DEFAULT, 0.0).joinable == 0.25


@pytest.mark.parametrize("wrong", [0, -1, (1, 0), (-3,), 0.0, "12", b"1", ("1",), float("nan"), float("inf")])
def test_what_is_no_time_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match="A look-up can't wait for"):
        Patience.of(wrong, DEFAULT, 0.0)
