"""The DNS: look-ups of any type of record as Deferreds; under the names of Twisted's ``twisted.names``, on
dnspython, which reads and writes the messages.

``client.Resolver`` asks the servers of ``/etc/resolv.conf``, or others. It may be given to
``reactor.installResolver`` or ``reactor.installNameResolver``; then all host names are looked up with it.

==============  =========================================================================================
``client``      :class:`~.client.Resolver`, and each look-up as a function
``dns``         numbers and records: what answers are made of
``error``       what look-ups fail with
``common``      :class:`~.common.ResolverBase`: one method for each type of record
``resolver``    private: the Resolver, which puts the following together
``config``      private: ``resolv.conf``: which servers, and the search list
``hosts``       private: the hosts file
``cache``       private: answers, for as long as they may be kept
``patience``    private: how long to wait for whom
``asking``      private: one question to the servers, one after another
``transfer``    private: whole zones
``addresses``   private: the addresses of a host, behind aliases and delegations
``sharing``     private: the questions that are under way, each once
``slots``       private: and how many at the same time
``sockets``     private: UDP and TCP for dnspython, on the loop's readiness
``running``     private: look-ups under way, and their end with their reactor's
``record``      private: what a record is, and those that are one name
``records``     private: the other classes of records
``naming``      private: domain names as bytes, as text and as dnspython has them
``reading``     private: from dnspython's records to ours
``generic``     private: the types of records that dnspython has no classes for
``older``       private: what older versions of dnspython don't do
==============  =========================================================================================

Needs dnspython: ``pip install 'twisted-compat[dns]'``.
"""

from __future__ import annotations

try:
    import dns.asyncquery as _dnspython  # noqa: F401  it is only asked for
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] != "dns":
        raise
    raise ModuleNotFoundError(
        "twisted_compat.names needs dnspython, which is not installed. "
        "Write: pip install 'twisted-compat[dns]'",
        name=missing.name,
    ) from missing

from twisted_compat.names import client, common, dns, error

__all__ = ["client", "common", "dns", "error"]
