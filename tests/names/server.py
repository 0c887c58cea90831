"""Name servers to talk to: BIND's own, with every type of record; and one of a few lines that answers as a
test wants."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support import free_port, skip_without

LONG = ["x" * 250] * 20
"""A TXT record of 5,000 bytes: more than fits into any datagram that is asked for."""

EXAMPLE = f"""\
$ORIGIN example.
$TTL 300
@           SOA   ns1 first\\.last.host ( 7 3600 600 86400 60 )
            NS    ns1
            MX    10 mail
            MX    20 mail.backup.test.
            TXT   "v=1" "two \\"parts\\""
            SPF   "v=spf1 -all"
            NAPTR 100 50 "s" "http+I2R" "!^.*$!http://x!" _http._tcp
            RP    admin.example. about.example.
            AFSDB 1 afs
            CAA   0 issue "ca.test"
            SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns1         A     127.0.0.1
mail        A     192.0.2.25
host        A     192.0.2.1
            A     192.0.2.2
            AAAA  2001:db8::1
            HINFO "PDP-11" "UNIX"
            WKS   192.0.2.1 6 25 80
four        A     192.0.2.4
six         AAAA  2001:db8::6
alias       CNAME host
alias2      CNAME alias
loop        CNAME pool
pool        CNAME loop
away        CNAME nowhere
nothing     TXT   "no address"
box         MB    mail
group       MG    box
            MG    other.box
old         MR    box
list        MINFO admin errors.list
null        TYPE10 \\# 4 00ff6162
six6        TYPE38 \\# 17 00 20010db8000000000000000000000006
part6       TYPE38 \\# 14 40 0000000000000006 036e733100
_http._tcp  SRV   1 5 80 host
            SRV   2 0 8080 four
b\\195\\188cher TXT "eight bits"
xn--bcher-kva A   192.0.2.67
long        TXT   {" ".join(f'"{part}"' for part in LONG)}
tree        DNAME example.
below       NS    ns.below
ns.below    A     127.0.0.2
"""

REVERSE = """\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@   SOA ns1.example. admin.example. 1 3600 600 86400 60
    NS  ns1.example.
1   PTR host.example.
"""

SIGNED = """\
$ORIGIN signed.test.
$TTL 300
@    SOA ns1.example. admin.example. 1 3600 600 86400 60
     NS  ns1.example.
host A   192.0.2.7
"""

CONFIGURATION = """\
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion no;
    allow-transfer {{ none; }};
    empty-zones-enable no;
    dnssec-validation no;
    minimal-responses no;
}};
controls {{ }};
zone "example" {{ type primary; file "example.zone"; allow-transfer {{ any; }}; }};
zone "2.0.192.in-addr.arpa" {{ type primary; file "reverse.zone"; }};
zone "signed.test" {{ type primary; file "signed.zone"; dnssec-policy default; inline-signing yes; }};
"""


@contextmanager
def bind9() -> Iterator[tuple[str, int]]:
    """BIND on a port of the loopback, as an ordinary user; gives its address and port."""
    program = shutil.which("named", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        skip_without("named", "apt-get install bind9")
    port = next(port for port in iter(free_port, None) if _is_free_for_udp(port))
    nobody = 65534 if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as directory:
        files = {
            "example.zone": EXAMPLE,
            "reverse.zone": REVERSE,
            "signed.zone": SIGNED,
            "named.conf": CONFIGURATION.format(directory=directory, port=port),
        }
        for name, text in files.items():
            Path(directory, name).write_text(text, encoding="utf-8")
        os.chmod(directory, 0o755)
        if nobody is not None:
            os.chown(directory, nobody, nobody)
        command = [program, "-g", "-n", "1", "-c", f"{directory}/named.conf"]
        with open(f"{directory}/log", "wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, user=nobody, group=nobody, cwd=directory
            )
        try:
            _wait_until_it_answers(process, port, Path(directory, "log"))
            yield "127.0.0.1", port
        finally:
            process.kill()  # it would say goodbye for a second
            process.wait()


def _is_free_for_udp(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait for the last thing that it does: signing a zone."""
    query = dns.message.make_query("signed.test.", "SOA", want_dnssec=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        with suppress(dns.exception.Timeout, OSError):
            answer = dns.query.udp(query, "127.0.0.1", timeout=0.1, port=port, raise_on_truncation=False)
            if any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in answer.answer):
                return
        time.sleep(0.01)
    raise AssertionError("named doesn't answer: " + log.read_text(encoding="utf-8"))


Reply = dns.message.Message | bytes | None
Handler = Callable[[dns.message.Message], "Reply | list[Reply] | Awaitable[Reply]"]


def reply(
    query: dns.message.Message,
    *answers: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    rcode: int = dns.rcode.NOERROR,
    flags: int = dns.flags.AA,
) -> dns.message.Message:
    """An answer, with records as in a zone file: "name ttl IN type data"."""
    message = dns.message.make_response(query)
    message.flags |= flags
    message.set_rcode(dns.rcode.Rcode(rcode))
    for section, records in zip(
        (message.answer, message.authority, message.additional), (answers, authority, additional), strict=True
    ):
        for record in records:
            name, ttl, cls, kind, *data = record.split()
            section.append(dns.rrset.from_text(name, int(ttl), cls, kind, " ".join(data)))
    return message


class Fake:
    """A name server on the loop, over UDP and TCP, that answers as it is told.

    :param handler: called with each question; returns an answer, bytes to send as they are, None for silence,
        several of them, or an awaitable.
    :param host: where it is, and ``port``; by default at a port that is free.
    :param tcp: called with questions over TCP; None for "as over UDP", False: nobody listens there.
    :ivar asked: the questions so far, each with "udp" or "tcp".
    :ivar peers: the addresses that they came from over UDP.
    """

    def __init__(
        self, handler: Handler, tcp: Handler | bool | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.handler = handler
        self.tcp = handler if tcp is None else tcp
        self.host = host
        self.port = port
        self.asked: list[tuple[str, dns.message.Message]] = []
        self.peers: list[Any] = []
        self.address: Any = None

    @property
    def names(self) -> list[str]:
        """What was asked so far: "name type"."""
        return [
            f"{query.question[0].name} {dns.rdatatype.to_text(query.question[0].rdtype)}"
            for _, query in self.asked
        ]

    async def __aenter__(self) -> Fake:
        loop = asyncio.get_running_loop()
        for _ in range(100):
            self.address = (self.host, self.port or free_port())
            try:
                self.udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), self.address)
            except OSError:
                continue
            break
        self.connections: set[asyncio.Transport] = set()
        self.server = None
        if self.tcp is not False:
            self.server = await loop.create_server(lambda: _Stream(self), *self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.udp.close()
        if self.server is not None:
            self.server.close()
        for connection in self.connections:
            connection.abort()

    def replies(self, how: str, wire: bytes, send: Callable[[bytes], object]) -> None:
        query = dns.message.from_wire(wire)
        self.asked.append((how, query))
        handler: Any = self.handler if how == "udp" else self.tcp
        replies = handler(query)
        if asyncio.iscoroutine(replies):

            async def later() -> None:
                send(_wire(await replies))

            self.task = asyncio.ensure_future(later())
            return
        for answer in replies if isinstance(replies, list) else [replies]:
            if answer is not None:
                send(_wire(answer))


def _wire(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else bytes(answer.to_wire(max_size=65535))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: Fake) -> None:
        self.fake = fake

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.fake.peers.append(address)
        self.fake.replies("udp", data, lambda wire: self.transport.sendto(wire, address))


class _Stream(asyncio.Protocol):
    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.data = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.fake.connections.add(transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        while len(self.data) >= 2 and len(self.data) >= (size := 2 + int.from_bytes(self.data[:2], "big")):
            wire, self.data = self.data[2:size], self.data[size:]
            self.fake.replies("tcp", wire, self.send)

    def send(self, wire: bytes) -> None:
        if wire == CLOSE:
            self.transport.close()
        else:
            self.transport.write(len(wire).to_bytes(2, "big") + wire)

    def connection_lost(self, error: Exception | None) -> None:
        self.fake.connections.discard(self.transport)


CLOSE = b"close"
"""In the place of an answer over TCP: the connection is closed."""
