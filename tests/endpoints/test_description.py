"""How descriptions are taken apart, and text is quoted for them.

It is looked at from where a plugin stands, which is told the parts and nothing else.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.endpoints.plugged import RECORDING, installed
from twisted_compat.endpoints import clientFromString, quoteStringArgument, serverFromString

Parts = tuple[tuple[str, ...], dict[str, str]]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], Parts]]:
    """What becomes of a description's rest, the same for servers and for clients."""
    reactor = object()

    def taken_apart(rest: Any) -> Parts:
        description = b"recording" + rest if isinstance(rest, bytes) else "recording" + rest
        kind, given, args, kwargs = serverFromString(reactor, description)
        assert (kind, given) == ("server", reactor)
        assert clientFromString(reactor, description) == ("client", reactor, args, kwargs)
        return args, kwargs

    with installed(tmp_path_factory.mktemp("plugins"), RECORDING.format(prefix="recording")):
        yield taken_apart


@pytest.mark.parametrize(
    "rest, args, kwargs",
    [
        ("", [], {}),
        (":", [""], {}),
        ("::", ["", ""], {}),
        (":a", ["a"], {}),
        (":a:", ["a", ""], {}),
        (":a:b", ["a", "b"], {}),
        (":a=b", [], {"a": "b"}),
        (":a=", [], {"a": ""}),
        (":=b", [], {"": "b"}),
        (":a=b=c", [], {"a": "b=c"}),
        (":a==", [], {"a": "="}),
        (":a=b:c", ["c"], {"a": "b"}),
        (":b=1:x:a=2:y", ["x", "y"], {"b": "1", "a": "2"}),
        (":a=1:a=2", [], {"a": "2"}),
        (r":a\:b", ["a:b"], {}),
        (r":a\=b", ["a=b"], {}),
        (r":a\=b=c", [], {"a=b": "c"}),
        (r":a\\", ["a\\"], {}),
        (r":a\\:b", ["a\\", "b"], {}),
        (r":\a\b", ["ab"], {}),
        (r":a=\:\=\\", [], {"a": ":=\\"}),
        (":one, two;three", ["one, two;three"], {}),
        (": a : b = c ", [" a "], {" b ": " c "}),
        (":é☃😀=\0\n", [], {"é☃😀": "\0\n"}),
        (r":\:\:1", ["::1"], {}),
        (r":[\:\:1]", ["[::1]"], {}),
    ],
    ids=itertools.count(),
)
def test_parts_come_between_colons_and_names_before_the_first_equals_sign(
    parts: Callable[[Any], Parts], rest: str, args: list[str], kwargs: dict[str, str]
) -> None:
    assert parts(rest) == (tuple(args), kwargs)
    assert parts(rest.encode()) == (tuple(args), kwargs)


@pytest.mark.parametrize("rest", ["\\", ":a\\", ":a=b\\", ":\\\\\\"])
def test_a_backslash_at_the_end_quotes_nothing_and_is_an_error(parts: Any, rest: str) -> None:
    for given_rest in (rest, rest.encode()):
        with pytest.raises(ValueError, match="backslash") as caught:
            parts(given_rest)
        assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_come_through_as_those_of_paths_do(parts: Callable[[Any], Parts]) -> None:
    """``os.fsencode`` makes the same bytes of them again."""
    assert parts(b":/tmp/\xff\\:\xc3\xa9=1") == ((), {"/tmp/\udcff:é": "1"})


@pytest.mark.parametrize("description", [None, 80, ["tcp", "80"], bytearray(b"tcp:80")], ids=str)
def test_a_description_is_text_or_bytes(description: Any) -> None:
    for from_string in (serverFromString, clientFromString):
        with pytest.raises(TypeError):
            from_string(None, description)


# Quoting

texts = st.text(
    st.one_of(st.sampled_from(":=\\,[]\0 "), st.characters(exclude_categories=["Cs"])), max_size=8
)


@given(st.lists(st.tuples(st.none() | texts, texts), max_size=5))
@example([(None, "a=b"), ("=", "=")])
@example([(None, "\\"), (None, ":"), ("\\=:", ":=\\")])
def test_what_is_quoted_arrives_as_it_was_wherever_it_stands(
    parts: Callable[[Any], Parts], given: list[tuple[str | None, str]]
) -> None:
    named = {name: text for name, text in given if name is not None}
    written = [quoteStringArgument(text) for name, text in given if name is None]
    written += [f"{quoteStringArgument(name)}={quoteStringArgument(text)}" for name, text in named.items()]
    expected = tuple(text for name, text in given if name is None), named
    rest = "".join(f":{each}" for each in written)
    assert parts(rest) == expected
    assert parts(rest.encode()) == expected


def test_what_needs_no_quotes_gets_none() -> None:
    assert quoteStringArgument("/var/run/a b,c;é.sock") == "/var/run/a b,c;é.sock"
    assert quoteStringArgument("") == ""
    assert quoteStringArgument(r"C:\key.pem") == r"C\:\\key.pem"


def test_bytes_are_quoted_as_bytes() -> None:
    assert quoteStringArgument(b"C:\\\xff") == b"C\\:\\\\\xff"


# Beside Twisted


def everything(alphabet: str, length: int) -> Iterator[str]:
    """All texts up to this length."""
    for each in range(length + 1):
        for letters in itertools.product(alphabet, repeat=each):
            yield "".join(letters)


def at_random(alphabet: str, count: int) -> Iterator[str]:
    choose = random.Random(7)
    for _ in range(count):
        yield "".join(choose.choices(alphabet, k=choose.randrange(7, 40)))


def test_they_are_taken_apart_as_twisted_does(parts: Callable[[Any], Parts]) -> None:
    twisted = pytest.importorskip("twisted.internet.endpoints")
    compared = 0
    for text in (*everything(":=\\a", 6), *at_random(":::==\\ab,é☃", 1000)):
        if (len(text) - len(text.rstrip("\\"))) % 2:
            continue  # nothing is left to quote: there, it lets a StopIteration out
        try:
            (prefix, *args), kwargs = twisted._parse("recording:" + text)
        except UnicodeEncodeError:
            continue  # its names have to be ASCII
        assert prefix == "recording"
        found = parts(":" + text)
        assert found == (tuple(args), kwargs), text
        compared += 1
    assert compared > 3000


def test_what_is_quoted_here_arrives_in_twisted() -> None:
    twisted = pytest.importorskip("twisted.internet.endpoints")
    for text in everything(":=\\a", 4):
        written = f"x:{quoteStringArgument(text)}:name={quoteStringArgument(text)}"
        assert twisted._parse(written) == (["x", text], {"name": text})
