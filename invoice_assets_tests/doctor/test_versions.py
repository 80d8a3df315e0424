"""Versions: what is installed is judged by its own metadata, and by those that are known to break."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from invoice_assets.doctor.findings import State
from invoice_assets.doctor.versions import DECLARING, KNOWN_TO_BREAK, Break, examine_versions


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which distributions hide those that are really installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, version: str, *requirements: str) -> None:
    """Let a distribution look installed."""
    information = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (information / "METADATA").write_text("\n".join(lines) + "\n")


def test_what_is_installed_here_is_fine() -> None:
    (found,) = examine_versions()

    assert found.state is State.FINE


@pytest.mark.parametrize(
    ("package", "version", "says"),
    [
        ("sqlglot", "30.22.1", "every relation"),
        ("duckdb", "2.0.0", "cannot be opened by any 1.x"),
        ("sqlalchemy", "2.1.0", "dagster-postgres does not start"),
        ("dagster", "1.14.0", "is made for 1.13.1 alone"),
    ],
)
def test_a_version_that_is_known_to_break_says_what_it_breaks(
    install: Path, package: str, version: str, says: str
) -> None:
    put(install, package, version)

    (found,) = examine_versions()

    assert found.state is State.FAILING
    assert found.what.startswith(f"{package} {version}: ")
    assert says in found.what
    assert "requirements.lock" in found.what_to_do


def test_a_requirement_that_is_not_met_is_told_with_what_is_there(install: Path) -> None:
    put(install, "invoice-assets", "0.1.0", "typer>=99", "not-installed>=1", 'psycopg>=99; extra == "postgres"')

    found = list(examine_versions())

    assert [one.what.partition(", and ")[0] for one in found] == [
        "invoice-assets needs typer>=99",
        "invoice-assets needs not-installed>=1",
    ]
    assert "none is installed" in found[1].what


@pytest.mark.parametrize("known", KNOWN_TO_BREAK, ids=lambda known: known.package)
def test_what_is_known_to_break_is_ruled_out_by_a_requirement(known: Break) -> None:
    needs = [Requirement(line) for by in DECLARING for line in requires(by) or []]
    bounds = SpecifierSet(",".join(str(need.specifier) for need in needs if need.name == known.package))
    edge = known.versions.lstrip("><=!")

    breaks = edge if SpecifierSet(known.versions).contains(edge) else f"{edge}.1"

    assert SpecifierSet(known.versions).contains(breaks)
    assert not bounds.contains(breaks)
