"""Which servers are asked, and for which names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dns.name
import pytest

from twisted_compat.names.config import Configuration, Settings, as_server
from twisted_compat.names.naming import parse_name
from twisted_compat.vocabulary import NATIVE

ROOT = dns.name.root


def settings_of(text: str, path: Path, servers: Any = (), search: Any = None) -> Settings:
    path.write_text(text, encoding="utf-8")
    return Configuration(path, servers, search).settings(NATIVE)


def names(settings: Settings, name: str) -> list[str]:
    return [str(candidate) for candidate in settings.candidates(parse_name(name))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "resolv.conf"


def test_servers_search_list_dots_and_rotation_are_read(path: Path) -> None:
    settings = settings_of(
        "# a comment\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n; another\n"
        "search corp.example example\noptions ndots:2 rotate timeout:3\n",
        path,
    )
    assert settings.servers == (("192.0.2.1", 53), ("2001:db8::1", 53))
    assert [str(suffix) for suffix in settings.search] == ["corp.example.", "example."]
    assert settings.dots == 2
    assert settings.rotate


@pytest.mark.parametrize("text", ["", "search example\n", "options ndots:1\n"])
def test_a_file_that_names_no_server_means_the_one_on_this_machine(path: Path, text: str) -> None:
    assert settings_of(text, path).servers == (("127.0.0.1", 53),)
    assert settings_of(text, path, (("192.0.2.7", 5353),)).servers == (("192.0.2.7", 5353),)


def test_what_the_file_says_besides_counts_without_servers_too(path: Path) -> None:
    assert names(settings_of("search a.example\n", path), "host") == ["host.a.example.", "host."]


def test_a_file_that_is_not_there_is_an_empty_one(path: Path) -> None:
    assert Configuration(path, (), None).settings(NATIVE).servers == (("127.0.0.1", 53),)


def test_servers_that_are_given_come_first(path: Path) -> None:
    settings = settings_of("nameserver 192.0.2.1\n", path, (("192.0.2.7", 5353),))
    assert settings.servers == (("192.0.2.7", 5353), ("192.0.2.1", 53))
    assert Configuration(None, (("192.0.2.7", 53),), None).settings(NATIVE) == Settings((("192.0.2.7", 53),))


def test_a_search_list_that_is_given_is_in_the_place_of_the_files(path: Path) -> None:
    settings = settings_of("search a.example\n", path, search=(dns.name.from_text("b.example"),))
    assert names(settings, "host") == ["host.b.example.", "host."]


def test_lines_that_cannot_be_understood_are_left_out_and_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of("nameserver ns.example\nnameserver\nsearch a..b\nnameserver 192.0.2.1\n", path)
    assert settings.servers == (("192.0.2.1", 53),)
    assert len(caplog.records) == 3
    assert "left out: nameserver ns.example" in caplog.text


def test_a_file_that_cannot_be_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Configuration(tmp_path, (), None).settings(NATIVE).servers == (("127.0.0.1", 53),)
    assert "can't be read" in caplog.text


def test_a_file_that_has_changed_is_read_again(path: Path) -> None:
    path.write_text("nameserver 192.0.2.1\n", encoding="utf-8")
    configuration = Configuration(path, (), None)
    first = configuration.settings(NATIVE)
    assert configuration.settings(NATIVE) is first
    path.write_text("nameserver 192.0.2.2\n", encoding="utf-8")
    os.utime(path, (1, 1))
    assert configuration.settings(NATIVE).servers == (("192.0.2.2", 53),)
    path.unlink()
    assert configuration.settings(NATIVE).servers == (("127.0.0.1", 53),)


def test_lines_end_at_line_feeds_only(path: Path) -> None:
    settings = settings_of("# no\u2028nameserver 192.0.2.66\r\nnameserver 192.0.2.1\r\n", path)
    assert settings.servers == (("192.0.2.1", 53),)


def test_as_many_dots_as_it_needs_and_a_name_is_asked_for_as_it_is_first() -> None:
    suffixes = (dns.name.from_text("a.example"), dns.name.from_text("b"))
    two_dots = Settings(search=suffixes, dots=2)
    assert names(two_dots, "host.x") == ["host.x.a.example.", "host.x.b.", "host.x."]
    assert names(two_dots, "host.x.y") == ["host.x.y.", "host.x.y.a.example.", "host.x.y.b."]
    assert names(Settings(search=suffixes, dots=0), "host") == ["host.", "host.a.example.", "host.b."]


def test_a_name_that_ends_with_a_dot_is_the_only_one() -> None:
    assert names(Settings(search=(dns.name.from_text("a.example"),)), "host.") == ["host."]
    assert names(Settings(search=(ROOT,)), "host") == ["host."]


def test_names_that_would_be_too_long_are_left_out() -> None:
    long = ".".join(["x" * 60] * 4)
    assert names(Settings(search=(dns.name.from_text("y" * 20),)), long) == [f"{long}."]


def test_servers_are_addresses_perhaps_with_a_port() -> None:
    assert as_server("192.0.2.1") == as_server(b"192.0.2.1") == ("192.0.2.1", 53)
    assert as_server(("::1", 5353)) == as_server(["::1", 5353]) == ("::1", 5353)
    assert as_server("fe80::1%eth0") == ("fe80::1%eth0", 53)
    for wrong in (
        "ns.example",
        ("::1", "53"),
        7,
        b"\xff",
        ("::1", 0),
        ("::1", 65536),
        ("::1", True),
        ("::1", 53, 1),
    ):
        with pytest.raises(ValueError, match="A name server is an IP address"):
            as_server(wrong)
