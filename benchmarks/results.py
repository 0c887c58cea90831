"""Results as a file: what was measured, on what machine, with which versions, and what became of the goals.

Tables, plots and pages can be made of such a file later and elsewhere. It says nothing about who measured: no
names of hosts or users, no paths.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from .clients import redis, wrk
from .model import BenchmarkError, Case, Found, Sample
from .processes import cores
from .report import conclude

__all__ = ["Facts", "Results", "facts", "load", "save"]

FORMAT = 1
LIBRARIES = ("twisted-compat", "zope.interface", "Twisted", "uvloop", "pyOpenSSL")
PROGRAMS = (redis.PROGRAM, wrk.PROGRAM)
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Facts:
    """On what was measured, and how.

    :ivar cores: how many this process may use.
    :ivar pinned: whether what was measured and its client had a core each.
    :ivar versions: of the libraries and programs that are there.
    :ivar date: when it began, in ISO 8601, UTC.
    :ivar seconds: about how long each measurement took.
    """

    platform: str
    cpu: str
    cores: int
    pinned: bool
    python: str
    versions: dict[str, str]
    date: str
    rounds: int
    seconds: float


@dataclass
class Results:
    """Facts and samples.

    :ivar failed: cases and peers of which a measurement failed; they have no samples.
    :ivar absent: peers and scenarios that were left out, each with what the machine lacked.
    """

    facts: Facts
    found: Found = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def facts(rounds: int, seconds: float) -> Facts:
    """The facts of this machine, now."""
    release = ".".join(platform.release().split(".")[:2])  # the rest may name a vendor
    implementation = platform.python_implementation()
    return Facts(
        platform=f"{platform.system()} {release}, {platform.machine()}",
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        pinned=cores()[0] is not None,
        python=f"{implementation} {platform.python_version()}",
        versions=_versions(),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        rounds=rounds,
        seconds=seconds,
    )


def _cpu() -> str:
    """The processor's model name (on Linux proc(5), ``cpuinfo``), or what Python knows of it."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if (
        "pyOpenSSL" in versions
    ):  # of which TLS is measured, by that and by ssl: much of it is what they stand on
        from cryptography.hazmat.backends.openssl import backend

        versions["OpenSSL (ssl)"] = ssl.OPENSSL_VERSION.split()[1]
        versions["OpenSSL (pyOpenSSL)"] = backend.openssl_version_text().split()[1]
    for program in PROGRAMS:
        if shutil.which(program) is not None:
            command = [program, "--version"]
            told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            versions[program] = next(iter(told.stdout.removeprefix(program).split()), "unknown")
    return versions


def save(path: Path, results: Results, cases: Sequence[Case]) -> None:
    """Write results, and what is concluded from them, to a file; who reads it sees the old or the new one.

    :param cases: what was measured; they have the goals.
    """
    conclusions = conclude(cases, results.found, results.failed)
    verdicts = [verdict for conclusion in conclusions for verdict in conclusion.verdicts]
    content = {
        "format": FORMAT,
        **asdict(results),
        "verdicts": [{**asdict(verdict), "outcome": verdict.outcome} for verdict in verdicts],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.part")
    fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def load(path: Path) -> Results:
    """Read what :func:`save` wrote.

    :raises BenchmarkError: if it can't be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']}, which is not {FORMAT}")
        return Results(
            facts=Facts(**content["facts"]),
            found={
                case: {peer: [Sample(**sample) for sample in samples] for peer, samples in peers.items()}
                for case, peers in content["found"].items()
            },
            failed=[(case, peer) for case, peer in content["failed"]],
            absent=dict(content["absent"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BenchmarkError(f"{path} has no results of this suite: {error!r}") from error
