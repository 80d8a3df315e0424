"""The virtual environments of the peers that cannot share the project's own, made when first needed.

What goes into one is pinned in `<peer>.txt`; it is made again when that file, or the Python, has changed.
"""

import hashlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""What PYTHONPATH has to name for a peer to be started from another folder."""
ENVIRONMENTS = CHECKOUT / ".benchmarks"


def python_of(peer: str) -> Path:
    """Return the Python of a peer's environment, which is made first where it is missing or out of date.

    Raises:
        subprocess.CalledProcessError: It could not be made; what uv said is on stderr.
    """
    environment = ENVIRONMENTS / peer
    python, stamp = environment / "bin" / "python", environment / "requirements.sha256"
    digest = hashlib.sha256(_requirements_of(peer).read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == digest):
        _run_uv("venv", "--clear", "--python", sys.executable, str(environment))
        install = ("pip", "install", "--compile-bytecode", "--requirement", str(_requirements_of(peer)))
        _run_uv(*install, "--python", str(python))
        stamp.write_text(digest)
    return python


def version_of(package: str, *, peer: str | None) -> str:
    """Return the version of a package that a peer's environment has; None stands for the project's own.

    Raises:
        KeyError: The peer has no such package.
    """
    if peer is None:
        return version(package)
    lines = _requirements_of(peer).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)[package]


def _requirements_of(peer: str) -> Path:
    return Path(__file__).with_name(f"{peer}.txt")


def _run_uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)
