"""One question to the servers, one after another and round after round, until one has an answer."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import Any, NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from twisted_compat.names.config import Server
from twisted_compat.names.patience import Patience
from twisted_compat.names.sockets import Datagrams, Stream

__all__ = ["UNREACHABLE", "UNREADABLE", "Outcome", "Question", "ask", "describe", "said"]

PAYLOAD = 1232  # bytes, what dnspython and the servers of today take for safe over UDP
LONGEST = 4096  # bytes of a datagram that are read; a longer one was not asked for

# A server that ends with one of these is not asked again: it isn't there; or talks nonsense.
UNREACHABLE = (OSError, EOFError)
# But this is not the server's fault: wait, as others may give theirs back.
SHORT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE = 0.05  # seconds
UNREADABLE = (ValueError, dns.exception.DNSException)

HEADER = 12  # bytes, RFC 1035, section 4.1.1

USABLE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
KNOWS_NO_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS)  # RFC 6891, section 7


class Question(NamedTuple):
    """What is asked: dnspython's absolute name, and the numbers of a type and a class."""

    name: dns.name.Name
    type: int
    cls: int

    def __str__(self) -> str:
        kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.type))
        return f"{self.name.to_text(omit_final_dot=len(self.name) > 1)} {kind}"


@dataclass(frozen=True)
class Outcome:
    """What came of a question.

    :ivar text: for an error: what each server did.
    :ivar message: the answer; without a usable one, the last that was none; None if no server said anything.
    :ivar age: the seconds that it was kept.
    :ivar unreadable: whether a server said something that can't be read.
    """

    text: str
    message: dns.message.Message | None = None
    age: int = 0
    unreadable: bool = False

    @property
    def code(self) -> int | None:
        """The code of the answer; None if there is no answer."""
        return None if self.message is None else int(self.message.rcode())


def said(error: Exception) -> str:
    """What an error says, in one line without a dot, to be put into a sentence."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def describe(server: Server) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def ask(question: Question, servers: tuple[Server, ...], patience: Patience) -> Outcome:
    """Ask until a server has an answer, or all have been asked as often as there is patience for.

    :returns: what came of it; it doesn't raise.
    """
    loop = asyncio.get_running_loop()
    told: dict[Server, str] = {}
    usable = list(servers)
    failed: dns.message.Message | None = None
    unreadable = False
    for number in patience.tries():
        to_ask = list(usable)
        for index, server in enumerate(to_ask):
            seconds = patience.seconds(number, len(to_ask) - index, loop.time())
            if seconds <= 0:
                usable.clear()
                break
            try:
                message = await _once_there_are_sockets(loop, server, question, loop.time() + seconds)
            except dns.exception.Timeout:
                told[server] = "no answer in time"
                continue
            except (*UNREACHABLE, *UNREADABLE) as error:
                unreadable |= isinstance(error, UNREADABLE)
                told[server] = said(error)
                if not _is_shortage(error):
                    usable.remove(server)
                continue
            code = message.rcode()
            told[server] = dns.rcode.to_text(code)
            if code in USABLE:
                return Outcome(_text(question, {server: told[server]}), message)
            failed = message
            usable.remove(server)
        if not usable:
            break
    return Outcome(_text(question, told), failed, unreadable=unreadable)


def _text(question: Question, told: dict[Server, str]) -> str:
    return f"{question}: " + "; ".join(f"{describe(server)}: {what}" for server, what in told.items())


def _is_shortage(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in SHORT_OF_SOCKETS


async def _once_there_are_sockets(
    loop: asyncio.AbstractEventLoop, server: Server, question: Question, deadline: float
) -> dns.message.Message:
    while True:
        try:
            return await _exchange(loop, server, question, deadline)
        except OSError as error:
            if not _is_shortage(error) or loop.time() + PAUSE >= deadline:
                raise
        await asyncio.sleep(PAUSE)


async def _exchange(
    loop: asyncio.AbstractEventLoop, server: Server, question: Question, deadline: float
) -> dns.message.Message:
    """Ask one server: with EDNS, and without if it doesn't know that."""
    with_edns: dict[str, Any] = {"use_edns": 0, "payload": PAYLOAD}
    message = await _send(loop, server, _make(question, **with_edns), deadline)
    if message.rcode() in KNOWS_NO_EDNS:
        message = await _send(loop, server, _make(question), deadline)
    return message


def _make(question: Question, **how: Any) -> dns.message.QueryMessage:
    rdtype = dns.rdatatype.RdataType.make(question.type)
    rdclass = dns.rdataclass.RdataClass.make(question.cls)
    return dns.message.make_query(question.name, rdtype, rdclass, **how)


async def _send(
    loop: asyncio.AbstractEventLoop, server: Server, query: dns.message.QueryMessage, deadline: float
) -> dns.message.Message:
    """Send a question over UDP, and over TCP if the answer is too long for that.

    :raises dns.exception.DNSException: if the answer can't be read.
    """
    host, port = server
    try:
        async with Datagrams(loop, server, deadline) as socket:
            await dns.asyncquery.send_udp(socket, query, None)
            while True:
                data, _ = await socket.recvfrom(LONGEST + 1, None)
                message = _read(query, data)
                if message is not None:
                    return message
    except (dns.message.Truncated, _TooLong):
        pass
    async with Stream(loop, server, deadline) as stream:
        await stream.connect()
        message = await dns.asyncquery.tcp(query, host, port=port, sock=stream, one_rr_per_rrset=True)
    if message.flags & dns.flags.TC:
        raise dns.exception.FormError("the answer is cut off, even over TCP")
    return message


class _TooLong(Exception):
    pass


def _read(query: dns.message.QueryMessage, data: bytes) -> dns.message.Message | None:
    """The answer in a datagram; None if it is none to this question, for the true one may still come.

    :raises dns.message.Truncated: if it was too long for a datagram.
    :raises _TooLong: if it is longer than was asked for. What one datagram may cost has a limit so.
    """
    if len(data) < HEADER or int.from_bytes(data[:2], "big") != query.id:
        return None
    if len(data) > LONGEST:
        raise _TooLong
    try:
        message = dns.message.from_wire(data, one_rr_per_rrset=True, raise_on_truncation=True)
    except dns.message.Truncated as error:
        if query.is_response(error.message()):
            raise
        return None
    return message if query.is_response(message) else None
