"""Installed versions: those that are known to break something, and those that our requirements rule out.

What each one breaks is pinned by `test_upstream.py` where it can be.
https://packaging.python.org/en/latest/specifications/version-specifiers/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from invoice_assets.doctor.findings import Finding, State, fine

NAME = "versions"
DECLARING = ("invoice-assets", "dagster-embedded-elt", "dagster-dlt")
"""Distributions whose requirements have to be met; the latter pin the Dagster that they were made for."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """Versions of a package, and what they break; `beside` has to be installed for that."""

    package: str
    versions: str
    breaks: str
    beside: str = "invoice-assets"


KNOWN_TO_BREAK = (
    Break(package="sqlglot", versions=">=30.22", breaks="every relation of dlt's pipeline.dataset() raises"),
    Break(package="duckdb", versions=">=2", breaks="a file that it wrote cannot be opened by any 1.x"),
    Break(package="sqlalchemy", versions=">=2.1", breaks="dagster-postgres does not start", beside="dagster-postgres"),
    Break(package="dagster", versions="!=1.13.1", breaks="dagster-embedded-elt 0.29.1 is made for 1.13.1 alone"),
)


def examine_versions() -> Iterator[Finding]:
    """A finding for each package that breaks something or is not what is required; one where all is well."""
    broken = [one for one in KNOWN_TO_BREAK if _is_installed(one.beside) and _is_in(one.package, one.versions)]
    for one in broken:
        yield _advise(one.package, f"{one.package} {version(one.package)}: {one.breaks}")
    known = {one.package for one in broken}
    unmet = {need.name: (need, by) for by in DECLARING for need in _find_unmet(by) if need.name not in known}
    for name, (need, by) in unmet.items():
        has = version(name) if _is_installed(name) else "none"
        yield _advise(name, f"{by} needs {name}{need.specifier}, and {has} is installed")
    if not broken and not unmet:
        yield fine(NAME, "every package is one that the others can use")


def _advise(package: str, what: str) -> Finding:
    return Finding(
        name=NAME,
        state=State.FAILING,
        what=what,
        what_to_do=f"Install what requirements.lock names for {package}: make setup, or pip install --force-reinstall.",
    )


def _find_unmet(distribution: str) -> Iterator[Requirement]:
    for line in (requires(distribution) or []) if _is_installed(distribution) else []:
        need = Requirement(line)
        is_due = need.marker is None or need.marker.evaluate({"extra": ""})
        if is_due and not _is_in(need.name, str(need.specifier)):
            yield need


def _is_in(package: str, specifiers: str) -> bool:
    return _is_installed(package) and SpecifierSet(specifiers).contains(version(package), prereleases=True)


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
