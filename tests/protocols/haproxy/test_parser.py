"""The header is found in a stream that comes in pieces."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.haproxy.headers import TCP4, UNKNOWN, bad_headers, good_headers, v1, v2
from twisted_compat import address
from twisted_compat.protocols.haproxy import InvalidProxyHeader, ProxyInfo, version1, version2
from twisted_compat.protocols.haproxy.parser import HeaderParser


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[one:other] for one, other in pairwise(places)]


def fed(stream: list[bytes]) -> Any:
    """What the parser finds, and what is left of the stream then; None if it wants more."""
    parser = HeaderParser(address)
    for number, piece in enumerate(stream, 1):
        found = parser.feed(piece)
        if found is not None:
            info, rest = found
            return info, rest + b"".join(stream[number:])
    return None


@given(good_headers, st.binary(max_size=50), st.lists(st.integers(0, 500), max_size=8))
@settings(max_examples=100)
def test_however_it_is_cut_up_it_is_found(told: tuple[bytes, Any, Any], rest: bytes, cuts: list[int]) -> None:
    header, source, destination = told
    info, left = fed(pieces(header + rest, cuts))
    assert (info.source, info.destination, left) == (source, destination, rest)
    assert header.startswith(info.header)
    assert type(info.header) is type(left) is bytes
    assert info.header.endswith(info.tlvs)


@given(good_headers)
def test_before_its_last_byte_it_is_not_there(told: tuple[bytes, Any, Any]) -> None:
    header = told[0]
    parser = HeaderParser(address)
    for byte in header[:-1]:
        assert parser.feed(bytes([byte])) is None
    assert parser.feed(b"") is None
    found = parser.feed(header[-1:])
    assert found is not None and found[1] == b""


@given(bad_headers, st.lists(st.integers(0, 500), max_size=3))
@settings(max_examples=150)
def test_whatever_comes_it_is_a_header_or_refused_or_unfinished(stream: bytes, cuts: list[int]) -> None:
    """It doesn't depend on the cuts which of them; and nothing is kept that is longer than a header."""

    def outcome(stream: list[bytes]) -> Any:
        try:
            found = fed(stream)
        except InvalidProxyHeader:
            return InvalidProxyHeader
        if found is not None:
            assert isinstance(found[0], ProxyInfo)
        return found

    assert outcome(pieces(stream, cuts)) == outcome([stream])
    assert outcome([stream + bytes(version2.LONGEST)]) is not None


@pytest.mark.parametrize(
    "stream", [b"G", b"\0", b"\r\n\r\r", b"PROXY\t", b"PROXX", b"\x16\x03\x01\x02\x00\x01", b"proxy TCP4"]
)
def test_what_can_become_no_header_is_refused_at_once(stream: bytes) -> None:
    parser = HeaderParser(address)
    with pytest.raises(InvalidProxyHeader):
        parser.feed(stream)


def test_no_more_is_kept_than_the_longest_header_has() -> None:
    for endless, longest in ((b"PROXY TCP4 ", version1.LONGEST), (v2(size=version2.LONGEST - 16), 2**14)):
        parser = HeaderParser(address)
        count = 0
        with suppress(InvalidProxyHeader):
            while parser.feed(endless if not count else b" ") is None:
                count += 1
        assert count <= longest


def test_nothing_but_the_first_header_is_taken() -> None:
    for header in (TCP4, UNKNOWN, v1("TCP6", "::1", "::1", 1, 2)):
        assert fed([header + TCP4]) == (version1.parse(header, address), TCP4)
