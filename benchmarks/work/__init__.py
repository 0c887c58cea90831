"""Work that a process does by itself, with nobody to talk to: the modules with a ``main`` are such processes,
``python -m benchmarks.work.NAME PEER --seconds S``, that print what they found as JSON: a Sample's fields.

One process, one peer, one kind of work. What they share: ``batches`` counts and looks at the clock,
``inside`` runs a peer's loop or reactor, ``command`` is the command line.
"""
