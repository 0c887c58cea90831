"""Twisted's own tests of Deferreds, tasks, threads and failures, run against this package's modules.

``make conformance``, or ``python -m tests.conformance --help``. Twisted is the one that pip installed.

==================  ==================================================================================
``__main__``        the command line
``suite``           which of Twisted's test modules, and on which loops
``runner``          starts a child process per module and loop, and restarts it after a hang
``child``           that process: takes Twisted's place in ``sys.modules``, installs a reactor, runs tests
``aliases``         the taking of places, and the private names that Twisted's framework imports
``reactors``        the global reactors: Twisted's on asyncio and uvloop, and ours on both
``unhandled``       hands what this package logs to Twisted's log, where its tests look for it
``exceptions``      the tests that cannot apply, each with the reason
``report``          compares outcomes with exceptions, and prints
==================  ==================================================================================

What the tests start as processes of their own imports Twisted's modules, not ours.
"""
