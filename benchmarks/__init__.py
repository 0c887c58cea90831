"""How fast an echo is, beside the other ways to serve one: ``python -m benchmarks``, or ``make bench``.

What is measured: each of 50 connections sends 1 KiB, waits until it has come back, and sends again. Every
peer is one Echo in a process of its own, pinned to one core; the client is pinned to another.

How to read it: absolute numbers say more about the machine than about the code, so everything is told
relative to one peer of the same run. The peers take turns (A B C, A B C, A B C), so that a slow minute of the
machine meets all of them, and the median round counts. Two measures are told:

* requests per second, which is what users see, but can't exceed what the client asks for;
* requests per second of the server's CPU time, which says more where the server is not what limits. It is no
  cure for a busy machine: shared caches and different batch sizes move it too.

A peer whose server had time to spare is marked: the client set the pace, or, where neither of the two was
busy, other processes took the cores away. A ratio with a peer that was disturbed is told as such, and decides
nothing: run again when the machine is quiet.

``raw-epoll`` serves as the ceiling: a Python loop that does nothing but ``recv`` and ``send``. What the
client asks of that one is the most that it can ask of anyone.

How fast Deferreds are is another command's: ``python -m benchmarks.deferreds``.

Modules: ``servers`` (the peers; one process each), ``load`` (the client's process), ``report`` (medians,
ratios, table), ``__main__`` (the command); ``deferreds`` (the other command), ``deferred_work`` (its
process); ``command`` (what the two commands share).
"""
