"""The clients that load the servers: each a process, ``python -m benchmarks.clients.NAME PORT --server PID``,
that prints what it found as JSON, the fields of a Sample.

None may be what is measured. Where a poll for each reply would make the client as slow as the fastest server,
it blocks on the reply that is due next instead; ``sockets`` has the sockets for that.
"""
