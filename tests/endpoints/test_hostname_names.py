"""What the names of host name endpoints may look like, and what is asked of a resolver."""

from __future__ import annotations

import pytest

from tests.endpoints.naming import Scene
from twisted_compat.endpoints import HostnameEndpoint

pytestmark = pytest.mark.without_debug


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("example.com", "example.com:80"),
        (b"example.com", "example.com:80"),
        ("b\u00fccher.example", "xn--bcher-kva.example:80"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example:80"),
        ("192.0.2.1", "192.0.2.1:80"),
        ("2001:db8::1", "[2001:db8::1]:80"),
        (b"2001:db8::1", "[2001:db8::1]:80"),
        ("fe80::1%eth0", "[fe80::1%eth0]:80"),
    ],
)
def test_what_it_looks_like(host: str | bytes, shown: str) -> None:
    assert repr(HostnameEndpoint(object(), host, 80)) == f"<HostnameEndpoint {shown}>"


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # the two dots by themselves
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("with_underscores.example", "with_underscores.example"),
        ("_http._tcp.example.", "_http._tcp.example."),
        ("UPPER.example", "UPPER.example"),
        ("xn--i-7iq.example", "xn--i-7iq.example"),  # IDNA has no hearts any more, but the DNS knows some
        (b"xn--i-7iq.example", "xn--i-7iq.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_names_that_are_asked_for(host: str | bytes, asked: str) -> None:
    """In letters of ASCII: how resolvers encode others, and by which edition of IDNA, is up to them."""
    scene = Scene("192.0.2.1", host=host).begin()
    assert scene.tried == ["192.0.2.1"]
    assert scene.names.asked == [(asked, 80, None, "TCP")]


def test_a_letter_that_the_editions_of_idna_disagree_about() -> None:
    pytest.importorskip("idna")
    for host in ("fa\u00df.example", b"xn--fa-hia.example"):
        scene = Scene("192.0.2.1", host=host).begin()
        assert scene.names.asked[0][0] == "xn--fa-hia.example"


@pytest.mark.parametrize(
    "host",
    [
        "",
        b"",
        "two..dots",
        "a" * 64 + ".example",
        ("a" * 60 + ".") * 5,
        "nul\0byte",
        "\u2ff0.example",
        "\udcff",
        " ",
    ],
)
def test_names_that_are_none(host: str | bytes) -> None:
    scene = Scene("192.0.2.1", host=host)
    assert "HostnameEndpoint" in repr(scene.endpoint)
    scene.begin()
    assert isinstance(scene.failure, ValueError) and not scene.names.asked and not scene.factory.events
    assert scene.leaves_nothing()
