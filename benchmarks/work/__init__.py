"""Work that a process does by itself, with nobody to talk to: each module is such a process, ``python -m
benchmarks.work.NAME PEER --seconds S``, that prints what it found as JSON, the fields of a Sample.

One process, one peer, one kind of work. What they share: ``batches`` counts and looks at the clock,
``inside`` runs a peer's loop or reactor, ``command`` is the command line.
"""
