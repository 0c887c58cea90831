"""The hosts file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twisted_compat.names.hosts import HostsFile
from twisted_compat.vocabulary import NATIVE

TEXT = """\
# a comment
127.0.0.1   localhost Localhost.Local   # of this machine
::1         localhost
fe80::1%lo0 linked
192.0.2.7\thost.example. host
192.0.2.7   host
not-an-address host
192.0.2.8
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_host_has_the_addresses_of_all_its_lines(path: Path) -> None:
    hosts = HostsFile(path)
    assert hosts.addresses("localhost", NATIVE) == ["127.0.0.1", "::1"]
    assert hosts.addresses("LOCALHOST.local.", NATIVE) == ["127.0.0.1"]
    assert hosts.addresses("host.example", NATIVE) == hosts.addresses("host", NATIVE) == ["192.0.2.7"]
    assert hosts.addresses("linked", NATIVE) == ["fe80::1%lo0"]
    assert hosts.addresses("of", NATIVE) == []


def test_lines_end_at_line_feeds_only(path: Path) -> None:
    path.write_text("# no\u2028192.0.2.66 evil\r\n192.0.2.1 good\r\n", encoding="utf-8")
    assert HostsFile(path).addresses("evil", NATIVE) == []
    assert HostsFile(path).addresses("good", NATIVE) == ["192.0.2.1"]


def test_a_file_that_has_changed_is_read_again(path: Path) -> None:
    hosts = HostsFile(path)
    assert hosts.addresses("host", NATIVE) == ["192.0.2.7"]
    path.write_text("192.0.2.9 host\n", encoding="utf-8")
    os.utime(path, (1, 1))
    assert hosts.addresses("host", NATIVE) == ["192.0.2.9"]
    path.unlink()
    assert hosts.addresses("host", NATIVE) == []


def test_without_a_file_no_host_is_known(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert HostsFile(None).addresses("localhost", NATIVE) == []
    assert HostsFile(path / "not there").addresses("localhost", NATIVE) == []
    assert not caplog.records
    assert HostsFile(path.parent).addresses("localhost", NATIVE) == []
    assert "can't be read" in caplog.text
