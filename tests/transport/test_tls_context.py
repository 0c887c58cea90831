"""What may be given to say how to encrypt, and what comes of it: the library, names, the log of keys."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.certificates import LIBRARIES, Certificates, Giving
from tests.transport.tls_bytes import Layer, Side, limited, side_of, talk
from twisted_compat.transport.tls_context import backend_maker
from twisted_compat.transport.tls_stdlib import StdlibBackend

each_library = pytest.mark.parametrize("library", LIBRARIES)
both_libraries = pytest.mark.parametrize(
    ("library", "other"), [(one, other) for one in LIBRARIES for other in LIBRARIES]
)
each_side = pytest.mark.parametrize("is_client", [True, False], ids=["client", "server"])


def context_of(certificates: Certificates, library: str, is_client: bool) -> Any:
    return (certificates.client_context if is_client else certificates.server_context)(library)


def kind_of(library: str) -> type:
    if library == "stdlib":
        return StdlibBackend
    from twisted_compat.transport.tls_pyopenssl import PyOpenSSLBackend

    return PyOpenSSLBackend


@each_library
@each_side
def test_a_context_or_what_has_one(certificates: Certificates, library: str, is_client: bool) -> None:
    for given in (lambda context: context), Giving:
        context = context_of(certificates, library, is_client)
        backend = backend_maker(given(context), is_client, "localhost")(Layer())
        assert type(backend) is kind_of(library)
        used = backend.handle.context if library == "stdlib" else backend.handle.get_context()
        assert used is context


@each_library
@each_side
def test_what_has_a_context_is_asked_early(certificates: Certificates, library: str, is_client: bool) -> None:
    """So whoever gives it hears what is wrong with it."""

    def refuse() -> None:
        raise LookupError("no such file")

    with pytest.raises(LookupError, match="no such file"):
        backend_maker(SimpleNamespace(getContext=refuse), is_client, "localhost")
    giving = Giving(context_of(certificates, library, is_client))
    backend_maker(giving, is_client, "localhost")
    assert giving.asked


def test_pyopenssls_contexts_may_be_made_for_each_connection(certificates: Certificates) -> None:
    """As legacy context factories do, whose contexts can't be changed once they have been used."""
    pytest.importorskip("OpenSSL.SSL")

    made: list[Any] = []

    class Fresh:
        def getContext(self) -> Any:
            made.append(certificates.server_context("pyopenssl"))
            return made[-1]

    make = backend_maker(Fresh(), False, None)
    used = [make(Layer()).handle.get_context() for _ in range(2)]
    assert used[0] is not used[1] and set(used) <= set(made)


class Creator:
    """Makes pyOpenSSL's connections itself, and notes for whom."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.layers: list[Any] = []

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        self.layers.append(tlsProtocol)
        return sys.modules["OpenSSL.SSL"].Connection(self.context, None)

    serverConnectionForTLS = clientConnectionForTLS


@each_side
def test_a_creator_makes_the_connections(certificates: Certificates, is_client: bool) -> None:
    pytest.importorskip("OpenSSL.SSL")
    creator = Creator(context_of(certificates, "pyopenssl", is_client))
    make = backend_maker(creator, is_client, "localhost")
    assert creator.layers == []
    layers = [Layer(), Layer()]
    backends = [make(layer) for layer in layers]
    assert creator.layers == layers
    assert [backend.handle.get_app_data() for backend in backends] == layers


def test_a_creator_need_not_say_which_side_it_makes(certificates: Certificates) -> None:
    pytest.importorskip("OpenSSL.SSL")
    one, other = (
        side_of(Creator(context_of(certificates, "pyopenssl", is_client)), not is_client)
        for is_client in (True, False)
    )
    talk(one, other)
    assert one.events == other.events == ["open"]


class Nothing:
    def __repr__(self) -> str:
        return "<nothing useful>"


@each_side
@pytest.mark.parametrize(
    "given",
    [
        None,
        "server.pem",
        b"server.pem",
        42,
        Nothing(),
        ssl.SSLContext,
        ssl,
        Giving(None),
        Giving("server.pem"),
        Giving(Giving(None)),
    ],
    ids=lambda given: type(getattr(given, "context", given)).__name__,
)
@pytest.mark.parametrize("without", [False, True], ids=["", "without pyOpenSSL"])
def test_anything_else_is_refused(
    given: Any, is_client: bool, without: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without:
        for name in "OpenSSL", "OpenSSL.SSL":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TypeError) as refused:
        backend_maker(given, is_client, "localhost")
    text = str(refused.value)
    assert repr(given) in text, "what was given"
    assert "ssl.SSLContext" in text and "getContext()" in text, "what to give"


def test_a_creator_of_the_other_sides_connections_is_refused() -> None:
    for is_client, other in (True, "serverConnectionForTLS"), (False, "clientConnectionForTLS"):
        with pytest.raises(TypeError, match="does not say how to encrypt"):
            backend_maker(SimpleNamespace(**{other: print}), is_client, "localhost")


@each_side
def test_a_context_of_the_other_side_is_refused(certificates: Certificates, is_client: bool) -> None:
    context = context_of(certificates, "stdlib", not is_client)
    context.check_hostname = False
    right = "PROTOCOL_TLS_CLIENT" if is_client else "PROTOCOL_TLS_SERVER"
    with pytest.raises(ValueError, match=f"ssl.{right}"):
        backend_maker(context, is_client, "localhost")


@pytest.mark.parametrize("name", [None, "", b"", "."])
def test_a_context_that_verifies_names_needs_one(certificates: Certificates, name: Any) -> None:
    with pytest.raises(ValueError, match="server_hostname="):
        backend_maker(certificates.client_context(), True, name)
    lax = certificates.client_context()
    lax.check_hostname = False
    assert backend_maker(lax, True, name)(Layer()).handle.server_hostname is None


@each_library
@each_side
def test_renegotiation_is_switched_off(certificates: Certificates, library: str, is_client: bool) -> None:
    context = context_of(certificates, library, is_client)
    backend_maker(context, is_client, "localhost")
    options = context.options if library == "stdlib" else context.set_options(0)
    assert options & ssl.OP_NO_RENEGOTIATION


# Names.


class Asked:
    """A server that notes which name it was asked for."""

    def __init__(self, certificates: Certificates) -> None:
        self.names: list[Any] = []
        self.context = certificates.server_context()
        self.context.sni_callback = lambda tls, name, context: self.names.append(name)

    def meets(self, client_context: Any, name: Any) -> Side:
        client, server = side_of(client_context, False, name), side_of(self.context, True)
        talk(client, server)
        return client


@each_library
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("localhost", "localhost"),
        ("localhost.", "localhost"),
        ("LocalHost", "LocalHost"),
        (b"localhost", "localhost"),
        (b"localhost.", "localhost"),
        ("_service.example", "_service.example"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1", None),
        (b"127.0.0.1", None),
        ("::1", None),
        ("fe80::1%lo", None),
        ("", None),
        (None, None),
    ],
    ids=ascii,
)
def test_the_name_that_is_asked_for(certificates: Certificates, library: str, name: Any, asked: Any) -> None:
    """Names, as they are written in ASCII; never an address (RFC 6066, 3)."""
    context = certificates.client_context(library)
    if library == "stdlib":
        context.check_hostname = False
    server = Asked(certificates)
    assert server.meets(context, name).events == ["open"]
    assert server.names == [asked]


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "localhost.",
        "LOCALHOST",
        b"localhost",
        "127.0.0.1",
        b"127.0.0.1",
        "::1",
        "0:0::1",
        "::1%lo",
    ],
    ids=ascii,
)
def test_the_name_that_is_verified(certificates: Certificates, name: Any) -> None:
    assert Asked(certificates).meets(certificates.client_context(), name).events == ["open"]


@pytest.mark.parametrize(
    "name", ["elsewhere.example", "host", "a.localhost", "127.0.0.2", "::2", "127.0.0.1.example"]
)
def test_another_name_is_refused(certificates: Certificates, name: str) -> None:
    client = Asked(certificates).meets(certificates.client_context(), name)
    assert client.events == ["failed"]
    failure = client.engine.failure
    assert isinstance(failure, ssl.SSLCertVerificationError)
    assert name in str(failure), "it says for which name the certificate isn't"


@each_library
@pytest.mark.parametrize(
    "name",
    ["a" * 64 + ".example", "a..example", ".example", "a\0.example", "\N{SNOWMAN}" * 70, b"b\xc3.example"],
    ids=["long label", "no label", "no first label", "nul", "long label not in ascii", "bytes not in ascii"],
)
def test_what_can_be_no_name_is_refused_at_once(certificates: Certificates, library: str, name: Any) -> None:
    context = certificates.client_context(library)
    with pytest.raises(ValueError) as refused:
        backend_maker(context, True, name)
    assert isinstance(name, bytes) or repr(name) in str(refused.value), "it says which"


def test_a_server_has_nobody_to_ask_for(certificates: Certificates) -> None:
    backend = backend_maker(certificates.server_context(), False, "localhost")(Layer())
    assert backend.handle.server_hostname is None


# The log of keys.


@both_libraries
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_keys_are_logged_if_asked_for(
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    other: str,
    version: str,
) -> None:
    """SSLKEYLOGFILE, as browsers and curl have it, for those who look at the traffic."""
    contexts = limited(certificates.client_context(library), version), certificates.server_context(other)
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    client, server = side_of(contexts[0], False), side_of(contexts[1], True)
    talk(client, server)
    assert client.events == server.events == ["open"]
    lines = [line.split() for line in log.read_text().splitlines() if not line.startswith("#")]
    assert {len(line) for line in lines} == {3}
    labels = [line[0] for line in lines]
    wanted = "CLIENT_RANDOM" if version == "1.2" else "CLIENT_TRAFFIC_SECRET_0"
    assert labels.count(wanted) == 2, "by either side"
    assert len({tuple(line) for line in lines}) == len(lines) / 2, "which have the same keys"


@each_library
def test_keys_are_not_logged_else(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "")
    monkeypatch.chdir(tmp_path)
    client = side_of(certificates.client_context(library), False)
    talk(client, side_of(certificates.server_context(library), True))
    assert client.events == ["open"] and not list(tmp_path.iterdir())


def test_a_contexts_own_log_of_keys_stays(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificates.client_context()
    context.keylog_filename = str(tmp_path / "own")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    backend_maker(context, True, "localhost")
    assert context.keylog_filename == str(tmp_path / "own")


@each_library
@each_side
def test_a_log_that_cannot_be_written_is_an_error_at_once(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, is_client: bool
) -> None:
    context = context_of(certificates, library, is_client)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    with pytest.raises(OSError, match="missing"):
        backend_maker(context, is_client, "localhost")
