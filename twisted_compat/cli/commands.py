"""The commands of ``twisted-compat``, in one group."""

from __future__ import annotations

import click

from twisted_compat import __version__
from twisted_compat.cli.bench import bench

__all__ = ["group"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="twisted-compat")
def group() -> None:
    """Twisted-style code inside asyncio: an event loop behind Twisted's reactor interfaces."""


group.add_command(bench)
