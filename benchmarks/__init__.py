"""How fast this package is, beside what a user would pick instead: ``python -m benchmarks``, ``make bench``,
or ``twisted-compat bench`` where it is installed (then this package is ``twisted_compat._benchmarks``).

The same work is done by all peers, in the same run: this package on asyncio and on uvloop, Twisted on each of
its reactors, asyncio's and uvloop's own transports, streams. Whoever is measured has a process of its own,
pinned to a core; its client, if there is one, is pinned to another.

How to read it: absolute numbers say more about the machine than about the code, so everything is told
relative to one peer of the same run. The peers take turns (A B C, A B C, A B C), so that a slow minute of the
machine meets all of them, and the median round counts. Two measures are told:

* the value itself, as requests per second: what users see, though it can't exceed what the client asks for;
* the work done for the same CPU time, which says more where the server is not what limits. It is no cure for
  a busy machine: shared caches and different batch sizes move it too.

A peer whose server had time to spare is marked: the client set the pace, or, where neither of the two was
busy, other processes took the cores away. A goal whose ratio was disturbed like that is undecided: run again
when the machine is quiet.

What is measured: ``model`` has the words, ``peers`` who there is, ``scenarios`` what they do. The measuring
processes are in ``servers``, ``clients`` and ``work``; ``processes`` starts them. The command:
``__main__``, with ``choose``, ``runner`` and ``progress``. What is made of the samples: ``report`` concludes,
``results`` is the file, ``grids`` the rows of ``tables`` and ``page``, ``plots`` the pictures.
"""
