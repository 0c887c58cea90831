"""What a resolver does, as coroutines: its configuration, hosts file, cache and questions put together.

``resolver.py`` makes Deferreds of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import index

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype

from twisted_compat.names.addresses import MOST_ALIASES, Found, Hosts, addresses_of, has_route, of_both
from twisted_compat.names.asking import Outcome, Question, ask
from twisted_compat.names.cache import Cache
from twisted_compat.names.config import Configuration, Server, Settings
from twisted_compat.names.dns import AAAA, EFORMAT, ENAME, OK, PORT, A, Name, RRHeader
from twisted_compat.names.error import error_for, timeout_error
from twisted_compat.names.naming import parse_name
from twisted_compat.names.patience import Patience, Timeout
from twisted_compat.names.reading import headers
from twisted_compat.names.sharing import Shared
from twisted_compat.names.slots import Slots
from twisted_compat.names.transfer import transfer
from twisted_compat.vocabulary import Vocabulary

__all__ = ["Engine", "Records"]

ZONE_TIMEOUT = 10.0  # seconds, as IResolver.lookupZone has it
REST = 1.0  # seconds that a look-up for one address waits for IPv6 when it has IPv4

Records = tuple[list[RRHeader], list[RRHeader], list[RRHeader]]
NameGiven = str | bytes | Name


class Engine:
    """Looks up records, zones and hosts.

    :param config: whom to ask.
    :param timeout: for look-ups that are given none.
    :ivar cache: the answers that are known.
    :ivar shared: the questions that are under way.
    :ivar port: of the servers that a delegation names.
    """

    def __init__(self, config: Configuration, timeout: Timeout) -> None:
        self.cache = Cache()
        self.shared = Shared()
        self.port = PORT
        self._config = config
        self._timeout = timeout
        self._turn = 0  # counts questions, for "options rotate"

    async def records(
        self, words: Vocabulary, name: NameGiven, cls: int, type: int, timeout: Timeout | None
    ) -> Records:
        """The three sections of an answer.

        :raises DomainError: where there is none; the subclasses say why.
        :raises DNSQueryTimeoutError: if no server gave one in time.
        """
        patience = self._patience(timeout)
        parsed, type, cls = parse_name(name), index(type), index(cls)
        settings = self._config.settings(words)
        outcomes = []
        for candidate in settings.candidates(parsed):
            outcome = await self._ask(settings, patience, Question(candidate, type, cls), settings.servers)
            if outcome.code == OK and outcome.message is not None and outcome.message.answer:
                return _sections(outcome.message, outcome.age)
            outcomes.append(outcome)
            if outcome.message is None:  # nobody answers: another name wouldn't help
                break
        best = min(outcomes, key=_rank)
        if best.code != OK or best.message is None:
            raise _error(words, best)
        return _sections(best.message, best.age)

    async def zone(self, words: Vocabulary, name: NameGiven, timeout: Timeout | None) -> Records:
        """All records of a zone, as the first section; raises as :meth:`records`."""
        timeout = ZONE_TIMEOUT if timeout is None or timeout == () else timeout
        # Each server is asked once, and has the time of all rounds.
        patience = self._patience((sum(timeout),) if isinstance(timeout, Sequence) else timeout)
        zone = parse_name(name)
        servers = self._config.settings(words).servers
        outcome, rrsets = await transfer(zone.derelativize(dns.name.root), servers, patience)
        if outcome.code != OK:
            raise _error(words, outcome)
        return headers(rrsets, True), [], []

    async def hosts(
        self,
        words: Vocabulary,
        name: str,
        rdtypes: list[int],
        timeout: Timeout | None,
        tell: Callable[[int, list[str]], float | None],
        aliases: int = MOST_ALIASES,
    ) -> None:
        """Tell the addresses of a host, as :func:`~.addresses.of_both` does.

        :raises DomainError: if there is no such host, or it has no address. Others as :meth:`records`.
        """
        patience = self._patience(timeout)
        parsed = parse_name(name)
        settings = self._config.settings(words)

        async def question(question: Question, servers: tuple[Server, ...]) -> Outcome:
            return await self._ask(settings, patience, question, servers)

        how = Hosts(question, settings.servers, aliases, self.port)
        outcomes: list[Outcome] = []
        for candidate in settings.candidates(parsed):

            async def kind(rdtype: int, candidate: dns.name.Name = candidate) -> Found:
                return await addresses_of(how, candidate, rdtype)

            found = await of_both(kind, rdtypes, tell)
            if any(one.addresses for one in found):
                return
            outcomes += [one.outcome for one in found]
            if any(one.outcome.message is None for one in found):
                break
        raise _error(words, min(outcomes, key=_rank))

    async def one_address(self, words: Vocabulary, name: str, timeout: Timeout | None, aliases: int) -> str:
        """One address of a host: IPv6 if this machine has a route there; raises as :meth:`hosts`."""
        known: list[str] = []

        def tell(rdtype: int, addresses: list[str]) -> float | None:
            known.extend(addresses)
            if rdtype == A:
                return REST
            return 0.0 if any(map(has_route, addresses)) else None

        await self.hosts(words, name, [AAAA, A], timeout, tell, aliases)
        return best_of(known)

    def _patience(self, timeout: Timeout | None) -> Patience:
        return Patience.of(timeout, self._timeout, asyncio.get_running_loop().time())

    async def _ask(
        self, settings: Settings, patience: Patience, question: Question, servers: tuple[Server, ...]
    ) -> Outcome:
        """The answer to one question: a kept one, or that of the servers."""
        key = (question, servers)
        keep = not (
            dns.rdatatype.is_metatype(dns.rdatatype.RdataType.make(question.type))
            or dns.rdataclass.is_metaclass(dns.rdataclass.RdataClass.make(question.cls))
        )
        kept = self.cache.get(key) if keep else None
        if kept is not None:
            message, age = kept
            return Outcome(f"{question}: {rcode_text(message)}, as was answered before", message, age)

        async def asked(slots: Slots) -> Outcome:
            order = servers
            if settings.rotate:
                self._turn += 1
                first = self._turn % len(servers)
                order = servers[first:] + servers[:first]
            if not await slots.take(None if patience.total is None else patience.deadline):
                return Outcome(f"{question}: not asked in time, as too many other questions were under way")
            try:
                outcome = await ask(question, order, patience)
            finally:
                slots.give()
            if keep and outcome.message is not None:
                self.cache.put(key, outcome.message)
            return outcome

        return await self.shared.get((key, patience.key), patience.joinable, asked)


def best_of(addresses: list[str]) -> str:
    """The one to give to who wants one: IPv4 where no IPv6 address has been found to have a route."""
    plain = [address for address in addresses if ":" not in address]
    routed = [address for address in addresses if ":" in address and has_route(address)]
    return (routed or plain or addresses)[0]


def rcode_text(message: dns.message.Message) -> str:
    return message.rcode().name


def _sections(message: dns.message.Message, age: int) -> Records:
    auth = bool(message.flags & dns.flags.AA)
    answers, authority, additional = (
        headers(section, auth, age) for section in (message.answer, message.authority, message.additional)
    )
    return answers, authority, additional


def _rank(outcome: Outcome) -> int:
    """Of several names, which outcome to tell: that one is there counts most, that one isn't least."""
    return {OK: 0, ENAME: 2}.get(-1 if outcome.code is None else outcome.code, 1)


def _error(words: Vocabulary, outcome: Outcome) -> Exception:
    """The error for an outcome that is no answer; for a host without addresses one as well."""
    if outcome.unreadable and outcome.message is None:
        return error_for(EFORMAT, outcome.text, None)
    if outcome.message is None or outcome.code is None:
        return timeout_error(words, outcome.text)
    if outcome.code == OK:
        return error_for(ENAME, f"{outcome.text}, but no address", outcome.message)
    return error_for(outcome.code, outcome.text, outcome.message)
