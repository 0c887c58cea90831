"""Flow control: who makes data, who takes it, and how the taker says "wait" and "go on".

Transports are consumers of what is written to them and push producers of what they read.
"""

from __future__ import annotations

from zope.interface import Interface

__all__ = ["IConsumer", "IFinishableConsumer", "IProducer", "IPullProducer", "IPushProducer"]


class IConsumer(Interface):
    """Takes data, and steers the producer that brings it."""

    def registerProducer(producer: IProducer, streaming: bool) -> None:
        """Attach the one producer that this consumer steers from now on.

        A push producer is paused when the buffer is full and resumed when it has drained. A pull producer is
        asked, through ``resumeProducing``, for one helping each time the buffer is empty.

        :param producer: an :class:`IPushProducer` or an :class:`IPullProducer`.
        :param streaming: True for a push producer, False for a pull producer.
        :raises RuntimeError: another producer is still attached.
        """

    def unregisterProducer() -> None:
        """Let go of the producer. The connection stays open and data already taken is still delivered."""

    def write(data: bytes) -> None:
        """Take some data without blocking, and buffer it as needed.

        A push producer may find itself paused when this returns.

        :param data: the bytes to take.
        """


class IFinishableConsumer(IConsumer):
    """A consumer that wants to know when the last of the data has come. Today's Twisted no longer has it."""

    def finish() -> None:
        """Learn that the producer is through and will write nothing more."""


class IProducer(Interface):
    """Makes data and hands it to a consumer's ``write``."""

    def stopProducing() -> None:
        """Give up for good: the consumer is gone and can take nothing more."""


class IPushProducer(IProducer):
    """A producer that writes of its own accord until it is paused ("streaming").

    One that cannot pause may leave both methods without effect, at the cost of the consumer's memory.
    """

    def pauseProducing() -> None:
        """Write nothing more for now; the consumer has enough until it calls :meth:`resumeProducing`."""

    def resumeProducing() -> None:
        """Start writing again, until told otherwise."""


class IPullProducer(IProducer):
    """A producer that writes only when asked ("non-streaming")."""

    def resumeProducing() -> None:
        """Write one helping of data: normally a single call of the consumer's ``write``, then return.

        Calling the consumer's ``unregisterProducer`` instead tells it that there is no more.
        """
