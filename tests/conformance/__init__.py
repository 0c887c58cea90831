"""Twisted's own tests, run against this package: ``make conformance``, or
``python -m tests.conformance --help``. Twisted is the one that pip installed.

There are four families of tests. "deferreds" has our Deferreds, tasks, threads and failures in the places of
Twisted's; "network" has, besides, our endpoints and resolvers there and all that they give, take or fail
with, on our AsyncioReactor; "reactor" is what Twisted's ``ReactorBuilder`` makes for a reactor, made for our
TwistedReactor; "global" are Twisted's trial suites with a TwistedReactor installed as
``twisted.internet.reactor``.

==================  ==================================================================================
``__main__``        the command line
``suite``           the families, their modules, and on which loops they are run
``runner``          starts a child process per module and loop, and restarts it after a hang
``isolation``       a network namespace for each child, where that is possible
``child``           that process: runs the tests, and says how each ended
``families/``       how a family gets ready there, and finds its tests; ``loops``: what they run on
``places``          for "deferreds" and "network": which modules take which places, and the names that
                    Twisted imports from there and we don't have; ``stand_ins``: those that do something
``aliases``         for both: taking the places
``unhandled``       for both: hands what this package logs to Twisted's log, where tests look for it
``exceptions/``     the tests that aren't expected to pass, each with the reason; a table per family
``neutral``         the reasons for which a test may be skipped
``report``          compares outcomes with both, and prints
==================  ==================================================================================

In "deferreds" and "network", what the tests start as processes of their own imports Twisted's modules, not
ours.
"""
