"""OpenSSH's server on loopback, with keys and settings of its own, where only we can log in."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support import free_port, skip_without

__all__ = ["Sshd", "sshd"]

SETTINGS = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


def _make_key(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    openssh = serialization.PrivateFormat.OpenSSH
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption()))
    path.with_suffix(".pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )


class Sshd:
    """A server that runs.

    :ivar known_hosts: a file that knows it.
    """

    user = pwd.getpwuid(os.getuid()).pw_name

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.user_key = directory / "user_key"
        self.known_hosts = directory / "known_hosts"
        for name in ("user_key", "host_key"):
            _make_key(directory / name)
        host_key = (directory / "host_key.pub").read_text()
        self.known_hosts.write_text(f"127.0.0.1 {host_key}\n")
        self.settings = directory / "sshd_config"
        self.settings.write_text(SETTINGS.format(port=self.port, directory=directory))


@contextmanager
def sshd(directory: Path) -> Iterator[Sshd]:
    """A server during the block; its files are in ``directory``."""
    command = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if command is None:
        skip_without("OpenSSH's server", "apt-get install openssh-server")
    if os.getuid() == 0:  # sshd wants it then, and what starts the service makes it
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = Sshd(directory)
    log = directory / "sshd.log"
    with subprocess.Popen(
        [command, "-D", "-f", server.settings, "-E", log], stdin=subprocess.DEVNULL
    ) as process:
        try:
            while "Server listening" not in (log.read_text() if log.exists() else ""):
                assert process.poll() is None, log.read_text()
            yield server
        finally:
            process.terminate()
