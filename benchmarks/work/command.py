"""The command line of a process that does work: who, what, for how long."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..model import Peer, Sample
from ..peers import PEERS
from ..processes import limit_of, parser, report_sample, settle_in

__all__ = ["run"]


def run(
    module: str, description: str, kinds: Collection[str], measure: Callable[[Peer, str, float], Sample]
) -> None:
    """Measure what the command line says, and print what was found.

    :param module: which of this package's it is, without its path.
    :param kinds: what ``--what`` may be; empty where there is one kind of work only.
    :param measure: is given the peer, the kind ("" where there is one only) and the seconds.
    """
    command_line = parser(f"work.{module}", description)
    command_line.add_argument("peer", choices=PEERS)
    if kinds:
        command_line.add_argument("--what", choices=tuple(kinds), required=True)
    options = command_line.parse_args()
    settle_in(options.core, int(limit_of(options.seconds)))
    report_sample(measure(PEERS[options.peer], options.what if kinds else "", options.seconds))
