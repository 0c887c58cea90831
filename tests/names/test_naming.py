"""Domain names in bytes, as text, and as dnspython has them."""

from __future__ import annotations

from typing import Any

import dns.name
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twisted_compat.names.error import DNSNameError
from twisted_compat.names.naming import Name, domainString, dotted, name_of, parse_name

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=4)


@given(LABELS)
def test_any_name_in_bytes_is_that_name_again(labels: list[bytes]) -> None:
    assume(sum(map(len, labels)) + len(labels) < 255)
    name = dns.name.Name([*labels, b""])
    given_name = dotted(name)
    for again in (given_name + b".", Name(given_name + b"."), name_of(name)):
        parsed = parse_name(again)
        assert parsed.derelativize(dns.name.root) == name
    assert parse_name(given_name).is_absolute() == (not labels)


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80)))
def test_whatever_is_no_name_is_one_clear_error(text: str | bytes) -> None:
    try:
        parse_name(text)
    except DNSNameError as error:
        assert "can't be a domain name" in str(error)
        assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        ".a",
        "x" * 64,
        "a." * 128,
        ".".join(["a" * 63] * 3 + ["b" * 62]),
        "\ud800",
        b"\\300",
        "fuß\u200d.de",
    ],
)
def test_these_are_no_names(name: str | bytes) -> None:
    with pytest.raises(DNSNameError, match="can't be a domain name"):
        parse_name(name)


def test_what_is_no_string_is_told_so() -> None:
    wrong: Any = 7
    with pytest.raises(TypeError, match="A domain name is str or bytes, not 7"):
        parse_name(wrong)


@pytest.mark.parametrize(
    ("given_name", "wire"),
    [
        ("example.com", b"example.com"),
        ("bücher.example", b"xn--bcher-kva.example"),
        ("_sip._tcp.bücher.example", b"_sip._tcp.xn--bcher-kva.example"),
        ("bücher\u3002example", b"xn--bcher-kva.example"),
        (b"b\xc3\xbccher", b"b\xc3\xbccher"),
        ("", b""),
    ],
)
def test_letters_beyond_ascii_are_encoded_label_by_label_and_bytes_are_left_alone(
    given_name: str | bytes, wire: bytes
) -> None:
    assert domainString(given_name) == wire
    assert Name(given_name).name == wire


def test_a_name_that_ends_with_a_dot_is_complete() -> None:
    assert parse_name("host.").is_absolute()
    assert not parse_name("host").is_absolute()
    assert parse_name("") == parse_name(".") == dns.name.root


def test_a_dot_inside_of_a_label_stays_there() -> None:
    name = dns.name.Name([b"first.last", b"example", b""])
    assert dotted(name) == rb"first\.last.example"
    assert parse_name(r"first\.last.example.") == name


def test_names_are_equal_whatever_their_case() -> None:
    assert Name("Host.Example") == Name(b"host.example")
    assert hash(Name("Host")) == hash(Name("hOST"))
    assert Name("a") != Name("b")
    assert Name("a") != "a"
    assert str(Name("Host.Example")) == "Host.Example"
    assert str(Name(b"\xff")) == r"\xff"
    assert repr(Name("a")) == "Name(b'a')"
