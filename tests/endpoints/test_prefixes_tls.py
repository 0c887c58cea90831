"""Descriptions of endpoints with TLS: what each argument does is seen by a peer that has Python's own TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.places import (
    HERE,
    backlog,
    connected,
    dh_parameters,
    directory_of,
    echoed,
    listening,
    plain_tls,
    spoken,
    write_pem,
)
from tests.support import until
from tests.transport.unix_sockets import both_kinds, make_reactor, socket_path
from twisted_compat import AsyncioReactor
from twisted_compat.endpoints import quoteStringArgument, serverFromString

trustme = pytest.importorskip("trustme")
pytest.importorskip("OpenSSL")

pytestmark = pytest.mark.without_debug


# ssl: servers


@both_kinds
async def test_ssl_serves_with_the_certificate_and_key(kind: str, certificates: Any) -> None:
    pair, trusting = certificates.server, certificates.client_context()
    async with make_reactor(kind) as reactor:
        for rest in (
            f"privateKey={pair.both_path}",
            f"{pair.both_path}",
            f"{pair.key_path}:{pair.chain_path}",
            f"certKey={pair.chain_path}:privateKey={pair.key_path}:backlog=4",
        ):
            for description in (f"ssl:0:{rest}:interface={HERE}", f"SSL:0:{rest}:interface={HERE}".encode()):
                async with listening(reactor, description) as port:
                    assert port.getHost().host == HERE
                    assert backlog(port) in (4 if "backlog" in rest else 50, None)
                    await echoed((HERE, port.getHost().port), trusting, "localhost")


async def test_ssl_serves_with_server_pem_if_nothing_is_said(
    certificates: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server.pem").write_bytes(Path(certificates.server.both_path).read_bytes())
    async with AsyncioReactor() as reactor, listening(reactor, "ssl:0") as port:
        assert port.getHost().host == "0.0.0.0"
        await echoed((HERE, port.getHost().port), certificates.client_context(), "localhost")


async def test_ssl_sends_the_chain(certificates: Any, tmp_path: Path) -> None:
    between = certificates.authority.create_child_ca()
    below = between.create_child_ca()
    leaf = below.issue_cert("localhost")
    own = write_pem(tmp_path / "leaf.pem", leaf.private_key_pem, leaf.cert_chain_pems[0])
    chain = write_pem(tmp_path / "chain.pem", below.cert_pem, between.cert_pem)
    whole = write_pem(tmp_path / "whole.pem", leaf.private_key_pem, *leaf.cert_chain_pems)
    async with AsyncioReactor() as reactor:
        where = f"ssl:0:privateKey={own}:interface={HERE}"
        async with listening(reactor, where) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await echoed((HERE, port.getHost().port), certificates.client_context(), "localhost")
        for description in (f"{where}:extraCertChain={chain}", f"ssl:0:{whole}:interface={HERE}"):
            async with listening(reactor, description) as port:
                await echoed((HERE, port.getHost().port), certificates.client_context(), "localhost")


@pytest.mark.filterwarnings("ignore:.*method:DeprecationWarning")
async def test_ssl_speaks_the_version_that_a_method_names(certificates: Any) -> None:
    async with AsyncioReactor() as reactor:
        for method, version in [("TLSv1_2_METHOD", "TLSv1.2"), ("TLS_METHOD", "TLSv1.3"), (None, "TLSv1.3")]:
            where = f"ssl:0:privateKey={certificates.server.both_path}:interface={HERE}"
            async with listening(reactor, where + (f":sslmethod={method}" if method else "")) as port:
                transport = await echoed(
                    (HERE, port.getHost().port), certificates.client_context(), "localhost"
                )
                assert transport.get_extra_info("ssl_object").version() == version


@pytest.fixture(scope="module")
def rsa(certificates: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server's certificate of the kind that goes with an exchange without curves, and its key."""
    issued = certificates.authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    path = tmp_path_factory.mktemp("rsa") / "both.pem"
    return str(write_pem(path, issued.private_key_and_cert_chain_pem))


async def test_ssl_exchanges_keys_by_the_parameters(certificates: Any, rsa: str, tmp_path: Path) -> None:
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-CHACHA20-POLY1305")
    async with AsyncioReactor() as reactor:
        where = f"ssl:0:privateKey={rsa}:interface={HERE}"
        async with listening(reactor, where) as port:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await echoed((HERE, port.getHost().port), context, "localhost")
        async with listening(reactor, f"{where}:dhParameters={dh_parameters(tmp_path / 'dh.pem')}") as port:
            transport = await echoed((HERE, port.getHost().port), context, "localhost")
            assert transport.get_extra_info("cipher")[0].startswith("DHE-RSA-")


def test_a_key_and_a_certificate_that_do_not_belong_together_are_refused_at_once(certificates: Any) -> None:
    for description in (
        f"ssl:0:privateKey={certificates.server.key_path}:certKey={certificates.client.chain_path}",
        f"ssl:0:privateKey={certificates.server.key_path}",
        f"ssl:0:privateKey={certificates.server.chain_path}",
    ):
        with pytest.raises(ValueError) as caught:
            serverFromString(object(), description)
        assert certificates.server.key_path in str(caught.value) or "chain" in str(caught.value)
        assert "\n" not in str(caught.value)


# ssl and tls: clients


def shown_name(peer: Any) -> str | None:
    """Whose certificate a client showed."""
    if not peer:
        return None
    return next(value for part in peer["subject"] for key, value in part if key == "commonName")


@both_kinds
async def test_ssl_connects_and_trusts_whom_it_is_told(kind: str, certificates: Any, tmp_path: Path) -> None:
    good = directory_of(tmp_path / "good", [certificates.ca_path, certificates.other_ca_path])
    other = directory_of(tmp_path / "other", [certificates.other_ca_path])
    (tmp_path / "good" / "broken.pem").write_text("nothing")
    (tmp_path / "good" / "README").write_text("nothing")
    async with make_reactor(kind) as reactor, plain_tls(certificates.server_context()) as (number, shown):
        for rest, is_trusted in [
            ("", True),  # nobody is verified if nobody is said to be
            (f":caCertsDir={good}", True),
            (f":caCertsDir={good}:hostname=localhost:timeout=7:bindAddress=127.0.0.4", True),
            (f":caCertsDir={other}", False),
            (f":caCertsDir={good}:hostname=elsewhere.example", False),
        ]:
            protocol = await connected(reactor, f"ssl:{HERE}:{number}{rest}".encode())
            if "bindAddress" in rest:
                assert protocol.transport.getHost().host == "127.0.0.4"
            await is_refused_unless(protocol, is_trusted)
        assert shown == [None] * 3


async def is_refused_unless(protocol: Any, is_trusted: bool) -> None:
    if is_trusted:
        await spoken(protocol)
    else:
        protocol.transport.write(b"hello")
        await until(lambda: protocol.reasons)
        assert not protocol.received
        assert "erif" in repr(protocol.reasons[0].value), protocol.reasons


async def test_ssl_shows_its_certificate(certificates: Any) -> None:
    pair = certificates.client
    async with (
        AsyncioReactor() as reactor,
        plain_tls(certificates.server_context(client_ca=True)) as (number, shown),
    ):
        for rest in (
            f"privateKey={pair.key_path}:certKey={pair.chain_path}",
            f"certKey={pair.both_path}",
            f"certKey={pair.both_path}:privateKey={pair.both_path}",
        ):
            await spoken(await connected(reactor, f"ssl:host=localhost:port={number}:{rest}"))
        assert [shown_name(each) for each in shown] == ["a client"] * 3


@both_kinds
async def test_tls_connects_by_name_and_verifies_it(kind: str, certificates: Any, tmp_path: Path) -> None:
    good = directory_of(tmp_path / "good", [certificates.ca_path])
    other = directory_of(tmp_path / "other", [certificates.other_ca_path])
    async with make_reactor(kind) as reactor, plain_tls(certificates.server_context()) as (number, shown):
        for description, is_trusted in [
            (f"tls:localhost:{number}:trustRoots={good}", True),
            (f"tls:{HERE}:{number}:trustRoots={good}:bindAddress=127.0.0.4:timeout=7".encode(), True),
            (f"TLS:host=localhost:port={number}:trustRoots={good}", True),
            (f"tls:host=localhost:{number}:trustRoots={good}", True),
            (f"tls:localhost:{number}:7:{HERE}:trustRoots={good}", True),
            (f"tls:localhost:{number}:trustRoots={other}", False),
            (f"tls:localhost:{number}", False),  # by those that the system trusts
        ]:
            protocol = await connected(reactor, description)
            if isinstance(description, bytes):
                assert protocol.transport.getHost().host == "127.0.0.4"
            await is_refused_unless(protocol, is_trusted)
        assert shown == [None] * 5


async def test_tls_shows_its_certificate(certificates: Any, tmp_path: Path) -> None:
    pair = certificates.client
    good = directory_of(tmp_path / "good", [certificates.ca_path])
    async with (
        AsyncioReactor() as reactor,
        plain_tls(certificates.server_context(client_ca=True)) as (number, shown),
    ):
        for rest in (
            f"certificate={pair.chain_path}:privateKey={pair.key_path}",
            f"certificate={pair.both_path}",
        ):
            await spoken(await connected(reactor, f"tls:localhost:{number}:{rest}:trustRoots={good}"))
        assert [shown_name(each) for each in shown] == ["a client"] * 2


async def test_tls_goes_over_any_other_endpoint(certificates: Any, tmp_path: Path) -> None:
    """The host is then whose certificate is expected, and nothing is connected to at the port."""
    good = directory_of(tmp_path / "good", [certificates.ca_path])
    with socket_path() as path:
        async with AsyncioReactor() as reactor, plain_tls(certificates.server_context(), path) as (_, shown):
            inner = quoteStringArgument(f"unix:{quoteStringArgument(path)}:timeout=7")
            for host, is_trusted in [("localhost", True), ("elsewhere.example", False)]:
                where = f"tls:{host}:0:trustRoots={good}:endpoint={inner}"
                await is_refused_unless(await connected(reactor, where), is_trusted)
            assert shown == [None]


async def test_two_descriptions_speak_tls_with_each_other(certificates: Any, tmp_path: Path) -> None:
    good = directory_of(tmp_path / "good", [certificates.ca_path])
    async with (
        AsyncioReactor() as reactor,
        listening(reactor, f"ssl:0:privateKey={certificates.server.both_path}") as port,
    ):
        number = port.getHost().port
        protocols = await asyncio.gather(
            connected(reactor, f"tls:localhost:{number}:trustRoots={good}"),
            connected(reactor, f"ssl:localhost:{number}:caCertsDir={good}:hostname=localhost"),
        )
        for protocol in protocols:
            await spoken(protocol)
