"""A directory of certificates, out of which a server shows each client the one that it asks for."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.places import HERE, backlog, echoed, listening, write_pem
from tests.transport.programs import ran
from tests.transport.tls_programs import require
from tests.transport.unix_sockets import both_kinds, make_reactor
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import serverFromString

pytest.importorskip("trustme")
pytest.importorskip("OpenSSL")

pytestmark = pytest.mark.without_debug


@pytest.fixture
def put(certificates: Any, tmp_path: Path) -> Any:
    """Puts a certificate for some names, and its key, into a file of the directory ``put.directory``."""

    def write(file: str, *names: str, authority: Any = None) -> Any:
        issued = (authority or certificates.authority).issue_cert(*names)
        write_pem(put.directory / file, issued.private_key_pem, *issued.cert_chain_pems)
        return issued

    write.directory = tmp_path / "served"  # type: ignore[attr-defined]  # a function has room for it
    put: Any = write
    put.directory.mkdir()
    return put


async def served(port: Any, context: ssl.SSLContext, name: str | None) -> set[str]:
    """The names in the certificate that a client gets who asks for ``name``."""
    transport = await echoed((HERE, port.getHost().port), context, name)
    return {value for kind, value in transport.get_extra_info("peercert")["subjectAltName"] if kind == "DNS"}


def asking_without_checking(certificates: Any) -> ssl.SSLContext:
    """A client's context that takes any name; the chain has to be whole all the same."""
    context: ssl.SSLContext = certificates.client_context()
    context.check_hostname = False
    return context


@asynccontextmanager
async def serving(put: Any, kind: str = "native", rest: str = "") -> AsyncIterator[Any]:
    async with make_reactor(kind) as reactor:
        description = f"tls:{put.directory}:port=0:interface={HERE}{rest}"
        async with listening(reactor, description) as port:
            yield port


@both_kinds
async def test_each_client_gets_the_certificate_of_the_name_it_asks_for(
    kind: str, certificates: Any, put: Any
) -> None:
    put("a.pem", "a.example", "www.a.example")
    put("b.pem", "b.example")
    put("wild.pem", "*.wild.example")
    put("special.pem", "special.wild.example")
    context = certificates.client_context()
    async with serving(put, kind) as port:
        for name, expected in [
            ("a.example", {"a.example", "www.a.example"}),
            ("b.example", {"b.example"}),
            ("www.a.example", {"a.example", "www.a.example"}),
            ("some.wild.example", {"*.wild.example"}),
            ("special.wild.example", {"special.wild.example"}),
            ("B.EXAMPLE", {"b.example"}),
        ]:
            assert await served(port, context, name) == expected


async def test_who_asks_for_nothing_or_for_an_unknown_name_gets_one_of_them_or_is_told(
    certificates: Any, put: Any
) -> None:
    put("a.pem", "a.example")
    put("b.pem", "b.example")
    put("wild.pem", "*.wild.example")
    context = asking_without_checking(certificates)
    async with serving(put) as port:
        assert await served(port, context, None)
        for name in ("c.example", "deep.er.wild.example", "wild.example"):
            try:
                found = await served(port, context, name)
            except ssl.SSLError as error:
                assert "unrecognized" in str(error).lower()
            else:
                assert found
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}


async def test_it_listens_where_it_is_told(certificates: Any, put: Any) -> None:
    put("a.pem", "a.example")
    context = certificates.client_context()
    async with AsyncioReactor() as reactor:
        for description, host, waiting in [
            (f"tls:{put.directory}:port=0", "::", 50),
            (f"TLS:{put.directory}:0:7:\\:\\:1".encode(), "::1", 7),
            (f"tls:path={put.directory}:port=0:interface=\\:\\:1:backlog=8", "::1", 8),
        ]:
            async with listening(reactor, description) as port:
                assert port.getHost().host == host
                assert backlog(port) in (waiting, None)
                await echoed(("::1", port.getHost().port), context, "a.example")


async def test_a_file_that_is_added_later_is_found(certificates: Any, put: Any) -> None:
    put("a.pem", "a.example")
    context = certificates.client_context()
    async with serving(put) as port:
        with pytest.raises(ssl.SSLError):
            await served(port, context, "b.example")
        put("b.pem", "b.example")
        assert await served(port, context, "b.example") == {"b.example"}
        put("c.pem", "*.c.example")
        assert await served(port, context, "www.c.example") == {"*.c.example"}
        assert await served(port, context, "a.example") == {"a.example"}


async def test_a_directory_that_is_away_for_a_while_is_read_again(certificates: Any, put: Any) -> None:
    put("a.pem", "a.example")
    elsewhere = put.directory.with_name("elsewhere")
    async with serving(put) as port:
        os.rename(put.directory, elsewhere)
        with pytest.raises(ssl.SSLError):
            await served(port, certificates.client_context(), "b.example")
        os.rename(elsewhere, put.directory)
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}


async def test_of_several_for_a_name_one_that_is_valid_is_shown(certificates: Any, put: Any) -> None:
    """Those that it has been renewed for are often kept, under names that say nothing of their order."""
    now = datetime.now(timezone.utc)
    for file, ends in [("1", -30), ("2", -1), ("3", 30), ("9", -2)]:
        issued = certificates.authority.issue_cert("a.example", not_after=now + timedelta(days=ends))
        write_pem(put.directory / f"{file}.pem", issued.private_key_pem, *issued.cert_chain_pems)
    async with serving(put) as port:
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}


BROKEN = {
    "damaged": "-----BEGIN CERTIFICATE-----\nnot at all\n-----END CERTIFICATE-----\n",
    "cut off": "-----BEGIN CERTIFICATE-----\nMIIB\n",
    "something else": "hello\n",
    "empty": "",
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_file_is_logged_and_left_out(
    how: str, certificates: Any, put: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put("a.pem", "a.example")
    broken = put.directory / "broken.pem"
    broken.write_text(BROKEN[how])
    (put.directory / "notes.txt").write_text(BROKEN[how])
    async with serving(put) as port:
        assert len([each for each in caplog.messages if str(broken) in each]) == 1
        assert not any("notes.txt" in each for each in caplog.messages)
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}


async def test_a_file_that_may_not_be_read_is_logged_and_left_out(
    certificates: Any, put: Any, caplog: pytest.LogCaptureFixture
) -> None:
    put("a.pem", "a.example")
    put("b.pem", "b.example")
    (put.directory / "b.pem").chmod(0)
    if os.access(put.directory / "b.pem", os.R_OK):
        pytest.skip("this user may read everything")
    async with serving(put) as port:
        assert any("b.pem" in each for each in caplog.messages)
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}


async def test_a_key_without_a_certificate_is_left_out(certificates: Any, put: Any) -> None:
    put("a.pem", "a.example")
    lonely = certificates.authority.issue_cert("b.example")
    write_pem(put.directory / "b-key.pem", lonely.private_key_pem)
    async with serving(put) as port:
        assert await served(port, certificates.client_context(), "a.example") == {"a.example"}
        with pytest.raises(ssl.SSLError):
            await served(port, certificates.client_context(), "b.example")
        write_pem(put.directory / "b-certificate.pem", *lonely.cert_chain_pems)
        assert await served(port, certificates.client_context(), "b.example") == {"b.example"}


async def test_keys_certificates_and_chains_may_be_in_files_of_their_own(certificates: Any, put: Any) -> None:
    between = certificates.authority.create_child_ca()
    below = between.create_child_ca()
    for name in ("a", "b"):
        issued = below.issue_cert(f"{name}.example")
        write_pem(put.directory / f"{name}.key.pem", issued.private_key_pem)
        write_pem(put.directory / f"{name}.certificate.pem", issued.cert_chain_pems[0])
    write_pem(put.directory / "chain.pem", between.cert_pem, below.cert_pem)
    async with serving(put) as port:
        for name in ("a.example", "b.example"):
            assert await served(port, certificates.client_context(), name) == {name}


async def test_one_file_may_hold_several_and_each_its_chain(certificates: Any, put: Any) -> None:
    below = certificates.authority.create_child_ca()
    one, two = below.issue_cert("a.example"), certificates.authority.issue_cert("b.example")
    write_pem(
        put.directory / "all.pem",
        *one.cert_chain_pems,
        two.private_key_pem,
        one.private_key_pem,
        *two.cert_chain_pems,
    )
    async with serving(put) as port:
        for name in ("a.example", "b.example"):
            assert await served(port, certificates.client_context(), name) == {name}


async def test_openssl_sees_them(certificates: Any, put: Any) -> None:
    """With a name, and (as hardly anything else does any more) without one."""
    require("openssl")
    put("a.pem", "a.example")
    put("b.pem", "b.example")
    async with serving(put) as port:
        where = ("-connect", f"{HERE}:{port.getHost().port}", "-CAfile", certificates.ca_path)
        named = await ran(
            "openssl",
            "s_client",
            *where,
            "-servername",
            "b.example",
            "-verify_hostname",
            "b.example",
            "-brief",
        )
        assert b"Verification: OK" in named.complaints and b"b.example" in named.complaints
        nameless = await ran("openssl", "s_client", *where, "-noservername", "-brief")
        assert b"Verification: OK" in nameless.complaints


async def test_it_may_be_empty_at_first(
    certificates: Any, put: Any, caplog: pytest.LogCaptureFixture
) -> None:
    context = certificates.client_context()
    async with serving(put) as port:
        assert any(str(put.directory) in each for each in caplog.messages)
        with pytest.raises(ssl.SSLError):
            await served(port, context, "a.example")
        put("a.pem", "a.example")
        assert await served(port, context, "a.example") == {"a.example"}


def test_a_directory_that_is_not_there_is_refused_at_once(put: Any) -> None:
    (put.directory / "file").touch()
    for path in (put.directory / "missing", put.directory / "file"):
        with pytest.raises(OSError, match=str(path)):
            serverFromString(object(), f"tls:{path}:port=0")
