"""A warehouse with all that reports read, loaded once for each destination, and the sandbox that it was loaded from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from invoice_assets.reporting.views import REPORT_VIEWS
from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox

READ = ("contacts", "invoices", "customer_payments", "credit_notes", "expenses")
TIME_ZONE = "Pacific/Kiritimati"
"""Fourteen hours ahead of UTC: its today is another day than UTC's most of the time."""


@dataclass(frozen=True)
class Reported:
    """A project whose tables are loaded and whose views are made."""

    project: Project
    sandbox: Sandbox


@pytest.fixture(scope="package", params=["duckdb", "postgres"])
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    """Documents of the last half year, one invoice deleted at the source since it was loaded, and a tax withheld."""
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres").create_database() if is_postgres else None
    today = datetime.now(UTC).date()
    history = (today - timedelta(days=180), today - timedelta(days=1))
    with (
        pytest.MonkeyPatch.context() as environment,
        Sandbox(rows=120, time_zone=TIME_ZONE, history=history) as sandbox,
    ):
        environment.setenv("INVOICE_REPORTING", "on")
        project = Project(sandbox, tmp_path_factory.mktemp("reported"), environment, postgres_url=url)
        payment, *_ = sandbox.rows("customer_payments")
        sandbox.edit("customer_payments", payment["payment_id"], tax_amount_withheld=Decimal("12.34"))
        project.materialize(*READ, with_checks=False)
        owed = next(row for row in sandbox.rows("invoices") if row["status"] == "overdue")
        sandbox.delete("invoices", owed["invoice_id"])
        assert project.materialize("invoices", reports=[view.name for view in REPORT_VIEWS], with_checks=False).success
        yield Reported(project, sandbox)
