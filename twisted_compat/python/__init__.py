"""The helpers that legacy code knows by the name of ``twisted.python``: so far :mod:`.systemd`."""
