"""The moment at which a protocol meets its transport, said once for both ends of a connection; and its name.

Used by :mod:`.tcp_connect` and :mod:`.tcp_listen`, which have made the transport and had the factory build
the protocol.
"""

from __future__ import annotations

from typing import Any

__all__ = ["introduce", "log_prefix"]


def log_prefix(vocabulary: Any, thing: Any) -> str:
    """What a protocol or a factory is called in the log: its own word (ILoggingContext), or its class."""
    if vocabulary.interfaces.ILoggingContext.providedBy(thing):
        prefix: str = thing.logPrefix()
        return prefix
    return type(thing).__name__


def introduce(protocol: Any, transport: Any) -> None:
    """Call ``protocol.makeConnection(transport)``.

    If it raises, the connection is lost for that reason. What the protocol's callbacks raise goes to the log
    and no further, so that one protocol's fault never reaches the port that accepted it; but for
    KeyboardInterrupt and SystemExit, which end the program.

    :param protocol: an IProtocol provider.
    :param transport: a connected transport with that protocol.
    """
    try:
        protocol.makeConnection(transport)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # CancelledError too: it is about the protocol, and not about the port
        vocabulary = transport.reactor.vocabulary
        log, reason = vocabulary.log, vocabulary.failure.Failure()
        log.exception("connectionMade of %r raised: its connection is closed", protocol)
        try:
            transport.connectionLost(reason)
        except Exception:
            log.exception("connectionLost of %r raised", protocol)
        finally:
            del reason  # its traceback has this frame: the two would be a cycle
