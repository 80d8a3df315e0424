from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, AssetCheckSeverity

from invoice_assets_tests.project import Project
from invoice_assets_tests.sandbox.server import Sandbox


@pytest.fixture
def project(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with three taxes in its warehouse."""
    project = Project(sandbox, tmp_path, monkeypatch)
    assert project.materialize("taxes").success
    return project


def failing(project: Project) -> dict[str, AssetCheckEvaluation]:
    """The checks of taxes that fail, by name, when run on demand."""
    return {evaluation.check_name: evaluation for evaluation in project.run_checks("taxes") if not evaluation.passed}


def test_checks_run_on_demand_without_a_load(project: Project, sandbox: Sandbox) -> None:
    requests = len(sandbox.ledger.requests())

    assert len(project.run_checks("taxes")) == 3
    assert len(sandbox.ledger.requests()) == requests


def test_a_repeated_key_fails_uniqueness_and_nothing_else(project: Project) -> None:
    project.query("INSERT INTO invoicing.taxes SELECT * FROM invoicing.taxes LIMIT 1")

    failed = failing(project)

    assert failed.keys() == {"primary_key_is_unique"}
    check = failed["primary_key_is_unique"]
    assert check.severity is AssetCheckSeverity.ERROR
    assert check.description == "tax_id: 1 of 4 rows"
    assert check.metadata["offending_rows"].value == 1
    assert check.metadata["rows"].value == 4


@pytest.mark.parametrize("missing", ["NULL", "''"], ids=["NULL", "empty"])
def test_a_missing_key_fails_presence(project: Project, missing: str) -> None:
    project.query(f"UPDATE invoicing.taxes SET tax_id = {missing} WHERE rowid = 0")

    failed = failing(project)

    assert failed.keys() == {"primary_key_is_present", "required_columns_are_present"}
    assert failed["primary_key_is_present"].description == "tax_id: 1 of 3 rows"


@pytest.mark.parametrize(
    ("column", "missing"), [("tax_percentage", "NULL"), ("tax_name", "''")], ids=["NULL number", "empty text"]
)
def test_a_missing_required_value_fails_that_claim_and_names_the_column(
    project: Project, column: str, missing: str
) -> None:
    project.query(f"UPDATE invoicing.taxes SET {column} = {missing}")

    failed = failing(project)

    assert failed.keys() == {"required_columns_are_present"}
    assert failed["required_columns_are_present"].metadata["offending_rows_by_column"].value == {column: 3}


def test_a_missing_value_in_a_nullable_column_is_fine(project: Project) -> None:
    project.query("UPDATE invoicing.taxes SET tax_authority_name = NULL")

    assert failing(project) == {}


def test_a_missing_table_is_called_missing(project: Project) -> None:
    project.query("DROP TABLE invoicing.taxes")

    failed = failing(project)

    assert len(failed) == 3
    assert {check.description for check in failed.values()} == {"There is no table yet: materialize the asset first."}


def test_a_required_value_that_the_api_leaves_out_is_loaded_and_reported(project: Project, sandbox: Sandbox) -> None:
    (first, *_) = sandbox.rows("taxes")
    sandbox.edit("taxes", first["tax_id"], tax_name="")

    result = project.materialize("taxes")

    assert len(project.read_table("taxes")) == 3
    assert [check.check_name for check in result.get_asset_check_evaluations() if not check.passed] == [
        "required_columns_are_present"
    ]
