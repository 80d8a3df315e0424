"""`invoice-assets doctor`: what stands between the settings and a load, and what to do about it.

What is looked at lives in `invoice_assets/doctor/`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from invoice_assets.cli.terminal import FAILING, build_table, say
from invoice_assets.settings import Settings, read_usable
from invoice_assets.variables import SettingsError

if TYPE_CHECKING:
    from invoice_assets.doctor.findings import Finding

_STYLES = {"fine": "green", "warning": "yellow", "failing": "bold red", "not examined": "dim"}


def examine(
    organization: Annotated[str, typer.Option(help="Slug of one organisation, where there are several.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for a machine.")] = False,
) -> None:
    """Look at the whole chain, by at most 11 requests an organisation. Exit status 1 where loads would fail.

    Example: invoice-assets doctor
    """
    findings = _examine(organization)
    is_failing = any(finding.state == "failing" for finding in findings)
    if as_json:
        say(json.dumps({"is_failing": is_failing, "findings": [asdict(finding) for finding in findings]}))
    else:
        Console().print(_tabulate(findings))
        say(_summarise(findings))
    if is_failing:
        raise typer.Exit(FAILING)


def _examine(slug: str) -> "list[Finding]":
    with Console(stderr=True).status("Looking at the chain from the settings to the alerts"):
        from invoice_assets.doctor.examination import examine as examine_all
        from invoice_assets.organizations import split_by_organization

        settings, problems = read_usable()
        try:
            each = split_by_organization(settings)
        except SettingsError as error:
            each, problems = (), (*problems, error)
        return list(examine_all(settings, _choose(each, slug), problems=problems))


def _choose(each: Sequence[Settings], slug: str) -> Sequence[Settings]:
    chosen = [own for own in each if slug in ("", own.slug)]
    if slug and not chosen:
        known = (
            ", ".join(own.slug for own in each if own.slug) or "none, for INVOICE_ORGANIZATIONS names no file of them"
        )
        raise SettingsError(f"--organization is {slug!r}: there is {known}.")
    return chosen


def _tabulate(findings: "Sequence[Finding]") -> Table:
    table = build_table("", "what was looked at", "what was found", "what to do")
    for finding in findings:
        subject = "/".join(filter(None, (finding.organization, finding.name)))
        cells = map(escape, (str(finding.state), subject, finding.what, finding.what_to_do))
        table.add_row(*cells, style=_STYLES[finding.state])
    return table


def _summarise(findings: "Sequence[Finding]") -> str:
    failing = sum(finding.state == "failing" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    if failing:
        return f"{failing} {'thing stops' if failing == 1 else 'things stop'} loads: mend the first one first."
    return f"Loads can run; {warnings} {'warning' if warnings == 1 else 'warnings'}."
