"""The records of the DNS that are more than one name; see ``record.py``."""

from __future__ import annotations

import socket
from typing import Any

from twisted_compat.names.naming import Name
from twisted_compat.names.record import Charstr, NameGiven, Record, Time, str2time

__all__ = [
    "Record_A",
    "Record_A6",
    "Record_AAAA",
    "Record_AFSDB",
    "Record_HINFO",
    "Record_MINFO",
    "Record_MX",
    "Record_NAPTR",
    "Record_NULL",
    "Record_RP",
    "Record_SOA",
    "Record_SPF",
    "Record_SRV",
    "Record_SSHFP",
    "Record_TXT",
    "Record_WKS",
]


def _text(value: NameGiven) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


class Record_A(Record):
    """An IPv4 address (RFC 1035).

    :param address: as "192.0.2.1".
    :ivar address: its four bytes.
    """

    __slots__ = __match_args__ = ("address",)
    TYPE = 1
    fancybasename = "A"

    def __init__(self, address: NameGiven = "0.0.0.0", ttl: Time = None) -> None:
        self.address = socket.inet_aton(_text(address))
        self.ttl = str2time(ttl)

    def dottedQuad(self) -> str:
        """The address as text."""
        return socket.inet_ntoa(self.address)

    def _shown(self, name: str) -> object:
        return self.dottedQuad()


class Record_AAAA(Record):
    """An IPv6 address (RFC 3596).

    :param address: as "2001:db8::1".
    :ivar address: its 16 bytes.
    """

    __slots__ = __match_args__ = ("address",)
    TYPE = 28
    fancybasename = "AAAA"

    def __init__(self, address: NameGiven = "::", ttl: Time = None) -> None:
        self.address = socket.inet_pton(socket.AF_INET6, _text(address))
        self.ttl = str2time(ttl)

    def _shown(self, name: str) -> object:
        return socket.inet_ntop(socket.AF_INET6, self.address)


class Record_A6(Record):
    """A part of an IPv6 address (RFC 2874, abandoned).

    :param suffix: the address, of which the last bits count, as "::1".
    :ivar prefixLen: how many bits are missing.
    :ivar suffix: 16 bytes.
    :ivar prefix: the name that has the missing bits.
    :ivar bytes: how many bytes of the suffix count.
    """

    __slots__ = ("bytes", "prefix", "prefixLen", "suffix")
    __match_args__ = ("prefixLen", "suffix", "prefix")
    TYPE = 38
    fancybasename = "A6"

    def __init__(
        self, prefixLen: int = 0, suffix: NameGiven = "::", prefix: NameGiven = b"", ttl: Time = None
    ) -> None:
        self.prefixLen = prefixLen
        self.suffix = socket.inet_pton(socket.AF_INET6, _text(suffix))
        self.prefix = Name(prefix)
        self.bytes = (128 - prefixLen + 7) // 8
        self.ttl = str2time(ttl)

    def _shown(self, name: str) -> object:
        return socket.inet_ntop(socket.AF_INET6, self.suffix) if name == "suffix" else super()._shown(name)


class Record_SOA(Record):
    """The origin of a zone (RFC 1035).

    :ivar mname: the name of its first name server.
    :ivar rname: the mailbox of who is responsible, as a name.
    :ivar serial: its version.
    :ivar refresh: seconds until secondary servers ask again; ``retry``, ``expire`` are of that kind.
    :ivar minimum: seconds that "there is no such name" may be kept (RFC 2308).
    """

    __slots__ = __match_args__ = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
    TYPE = 6
    fancybasename = "SOA"

    def __init__(
        self,
        mname: NameGiven = b"",
        rname: NameGiven = b"",
        serial: int = 0,
        refresh: Time = 0,
        retry: Time = 0,
        expire: Time = 0,
        minimum: Time = 0,
        ttl: Time = None,
    ) -> None:
        self.mname, self.rname = Name(mname), Name(rname)
        self.serial = serial
        self.refresh, self.retry = str2time(refresh), str2time(retry)
        self.expire, self.minimum = str2time(expire), str2time(minimum)
        self.ttl = str2time(ttl)


class Record_NULL(Record):
    """Any bytes (RFC 1035, experimental).

    :ivar payload: the bytes.
    """

    __slots__ = __match_args__ = ("payload",)
    TYPE = 10
    fancybasename = "NULL"

    def __init__(self, payload: bytes | None = None, ttl: Time = None) -> None:
        self.payload = payload
        self.ttl = str2time(ttl)


class Record_WKS(Record):
    """The services of a host (RFC 1035, out of use).

    :param address: as "192.0.2.1".
    :ivar address: its four bytes.
    :ivar protocol: the protocol's number: 6 is TCP.
    :ivar map: one bit for each port.
    """

    __slots__ = __match_args__ = ("address", "protocol", "map")
    TYPE = 11
    fancybasename = "WKS"

    def __init__(
        self, address: NameGiven = "0.0.0.0", protocol: int = 0, map: bytes = b"", ttl: Time = None
    ) -> None:
        self.address = socket.inet_aton(_text(address))
        self.protocol, self.map = protocol, map
        self.ttl = str2time(ttl)

    def _shown(self, name: str) -> object:
        return socket.inet_ntoa(self.address) if name == "address" else super()._shown(name)


class Record_HINFO(Record):
    """A host's hardware and system (RFC 1035); two are equal whatever the case of their letters.

    :ivar cpu: bytes.
    :ivar os: bytes.
    """

    __slots__ = __match_args__ = ("cpu", "os")
    TYPE = 13
    fancybasename = "HINFO"

    def __init__(self, cpu: bytes = b"", os: bytes = b"", ttl: Time = None) -> None:
        self.cpu, self.os = cpu, os
        self.ttl = str2time(ttl)

    def _fields(self) -> tuple[Any, ...]:
        return self.cpu.lower(), self.os.lower()


class Record_MINFO(Record):
    """Who answers for a mailing list (RFC 1035, experimental).

    :ivar rmailbx: the mailbox of who is responsible, as a name.
    :ivar emailbx: the mailbox that gets errors.
    """

    __slots__ = __match_args__ = ("rmailbx", "emailbx")
    TYPE = 14
    fancybasename = "MINFO"

    def __init__(self, rmailbx: NameGiven = b"", emailbx: NameGiven = b"", ttl: Time = None) -> None:
        self.rmailbx, self.emailbx = Name(rmailbx), Name(emailbx)
        self.ttl = str2time(ttl)


class Record_MX(Record):
    """A host that takes the domain's mail (RFC 1035).

    :ivar preference: the lowest is tried first.
    :ivar name: the host.
    """

    __slots__ = __match_args__ = ("preference", "name")
    TYPE = 15
    fancybasename = "MX"

    def __init__(
        self,
        preference: int = 0,
        name: NameGiven = b"",
        ttl: Time = None,
        *,
        exchange: NameGiven | None = None,
    ) -> None:
        self.preference = int(preference)
        self.name = Name(name if exchange is None else exchange)
        self.ttl = str2time(ttl)


class Record_TXT(Record):
    """Text (RFC 1035).

    :ivar data: a list of bytes, each at most 255.
    """

    __slots__ = __match_args__ = ("data",)
    TYPE = 16
    fancybasename = "TXT"

    def __init__(self, *data: bytes, ttl: Time = None) -> None:
        self.data = list(data)
        self.ttl = str2time(ttl)


class Record_SPF(Record_TXT):
    """Who may send the domain's mail, in a type of its own (RFC 4408; today it is a TXT record)."""

    __slots__ = ()
    TYPE = 99
    fancybasename = "SPF"


class Record_RP(Record):
    """The person responsible (RFC 1183).

    :ivar mbox: the mailbox, as a name.
    :ivar txt: the name of a TXT record that says more.
    """

    __slots__ = __match_args__ = ("mbox", "txt")
    TYPE = 17
    fancybasename = "RP"

    def __init__(self, mbox: NameGiven = b"", txt: NameGiven = b"", ttl: Time = None) -> None:
        self.mbox, self.txt = Name(mbox), Name(txt)
        self.ttl = str2time(ttl)


class Record_AFSDB(Record):
    """A server of an AFS cell (RFC 1183).

    :ivar subtype: 1 for AFS, 2 for DCE.
    :ivar hostname: the server.
    """

    __slots__ = __match_args__ = ("subtype", "hostname")
    TYPE = 18
    fancybasename = "AFSDB"

    def __init__(self, subtype: int = 0, hostname: NameGiven = b"", ttl: Time = None) -> None:
        self.subtype, self.hostname = int(subtype), Name(hostname)
        self.ttl = str2time(ttl)


class Record_SRV(Record):
    """A host and port of a service (RFC 2782).

    :ivar priority: the lowest is tried first.
    :ivar weight: its share among those of the same priority.
    :ivar port: the port.
    :ivar target: the host.
    """

    __slots__ = __match_args__ = ("priority", "weight", "port", "target")
    TYPE = 33
    fancybasename = "SRV"

    def __init__(
        self, priority: int = 0, weight: int = 0, port: int = 0, target: NameGiven = b"", ttl: Time = None
    ) -> None:
        self.priority, self.weight, self.port = int(priority), int(weight), int(port)
        self.target = Name(target)
        self.ttl = str2time(ttl)


class Record_NAPTR(Record):
    """A rewriting rule (RFC 3403).

    :ivar order: the lowest is tried first, and then the lowest ``preference``.
    :ivar flags: a :class:`Charstr`, as ``service`` and ``regexp`` are.
    :ivar replacement: the next name to look up.
    """

    __slots__ = __match_args__ = ("order", "preference", "flags", "service", "regexp", "replacement")
    TYPE = 35
    fancybasename = "NAPTR"

    def __init__(
        self,
        order: int = 0,
        preference: int = 0,
        flags: bytes = b"",
        service: bytes = b"",
        regexp: bytes = b"",
        replacement: NameGiven = b"",
        ttl: Time = None,
    ) -> None:
        self.order, self.preference = int(order), int(preference)
        self.flags, self.service, self.regexp = Charstr(flags), Charstr(service), Charstr(regexp)
        self.replacement = Name(replacement)
        self.ttl = str2time(ttl)


class Record_SSHFP(Record):
    """The fingerprint of an SSH server's key (RFC 4255).

    :ivar algorithm: the key's algorithm.
    :ivar fingerprintType: the fingerprint's.
    :ivar fingerprint: bytes.
    """

    __slots__ = __match_args__ = ("algorithm", "fingerprintType", "fingerprint")
    TYPE = 44
    fancybasename = "SSHFP"

    def __init__(
        self, algorithm: int = 0, fingerprintType: int = 0, fingerprint: bytes = b"", ttl: Time = 0
    ) -> None:
        self.algorithm, self.fingerprintType, self.fingerprint = algorithm, fingerprintType, fingerprint
        self.ttl = str2time(ttl)
