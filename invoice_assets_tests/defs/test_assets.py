from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from dagster import AssetKey, ExecuteInProcessResult

from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import Cadence, ResourceSpec, Sort, build_catalog, money, text
from invoice_assets_tests.project import Project
from invoice_assets_tests.runs import checks_of, failures_of, metadata_of, names_of_checks
from invoice_assets_tests.sandbox.endpoints import Endpoint
from invoice_assets_tests.sandbox.server import Sandbox
from invoice_assets_tests.wire_values import find_differences

ROWS = dict.fromkeys(RESOURCES, 25) | {"invoices": 450}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Project, ExecuteInProcessResult]]:
    """All nine resources, loaded once, for tests that only look."""
    with pytest.MonkeyPatch.context() as environment, Sandbox(rows=ROWS) as sandbox:
        project = Project(sandbox, tmp_path_factory.mktemp("project"), environment)
        yield sandbox, project, project.materialize()


Loaded = tuple[Sandbox, Project, ExecuteInProcessResult]


def test_all_nine_assets_materialize_with_one_access_token(loaded: Loaded) -> None:
    sandbox, _, result = loaded

    assert failures_of(result) == {}
    assert result.success
    assert sandbox.tokens_issued == 1


@pytest.mark.parametrize("name", RESOURCES)
def test_the_table_equals_the_source_value_by_value(loaded: Loaded, name: str) -> None:
    sandbox, project, _ = loaded
    key = RESOURCES[name].primary_key
    wire = {row[key]: row for row in sandbox.rows(name)}

    stored = {row[key]: row for row in project.read_table(name)}

    assert stored.keys() == wire.keys()
    assert {key: found for key in wire if (found := find_differences(stored[key], wire[key]))} == {}


@pytest.mark.parametrize("name", RESOURCES)
def test_every_check_passes_on_what_was_loaded(loaded: Loaded, name: str) -> None:
    _, _, result = loaded

    assert checks_of(result, name) == dict.fromkeys(names_of_checks(RESOURCES[name]), True)


def test_the_metadata_tells_what_was_read_and_what_it_cost(loaded: Loaded) -> None:
    sandbox, _, result = loaded

    metadata = metadata_of(result, "invoices")

    assert metadata["rows_loaded"] == metadata["dagster/row_count"] == 450
    assert metadata["pages"] == metadata["api_requests"] == 3
    assert metadata["api_requests_failed"] == 0
    assert metadata["bytes_read"] > 450 * 500
    assert metadata["quota_remaining"] == 10_000 - len(sandbox.ledger.requests()) + _requests_after_invoices(sandbox)
    assert {"extract_s", "normalize_s", "load_s"} <= metadata.keys()
    assert metadata["dagster/table_name"] == "invoicing.invoices"
    assert "warning" not in metadata


def test_each_load_observes_the_api_and_what_is_left_of_its_quota(loaded: Loaded) -> None:
    sandbox, _, result = loaded

    observations = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]

    assert {observation.asset_key for observation in observations} == {AssetKey("invoicing_api")}
    told = {observation.metadata["resource"].value: observation.metadata for observation in observations}
    assert {name: metadata["api_requests"].value for name, metadata in told.items()} == {
        name: len(sandbox.ledger.requests(name)) for name in RESOURCES
    }
    assert told["invoices"]["quota_remaining"].value == metadata_of(result, "invoices")["quota_remaining"]


def _requests_after_invoices(sandbox: Sandbox) -> int:
    api_requests = [entry for entry in sandbox.ledger.requests() if entry.resource]
    last = max(index for index, entry in enumerate(api_requests) if entry.resource == "invoices")
    return len(sandbox.ledger.requests()) - last - 1


def test_columns_have_the_types_of_the_catalog(loaded: Loaded) -> None:
    _, project, _ = loaded

    types = {row[0]: row[1] for row in project.query("DESCRIBE invoicing.invoices")}

    assert types["invoice_id"] == "VARCHAR"
    assert types["total"] == "DECIMAL(28,6)"
    assert types["exchange_rate"] == "DECIMAL(38,18)"
    assert types["date"] == "DATE"
    assert types["last_modified_time"] == "TIMESTAMP WITH TIME ZONE"
    assert types["is_emailed"] == "BOOLEAN"
    assert types["reminders_sent"] == "BIGINT"
    assert types["billing_address"] == "JSON"


def test_a_field_that_appears_later_gets_its_column_and_is_named(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    project.materialize("taxes")
    sandbox.add_field("taxes", "cf_ledger_code", "4711")

    result = project.materialize("taxes")

    assert metadata_of(result, "taxes")["new_columns"] == {
        "cf_ledger_code": {"column": "cf_ledger_code", "type": "string"}
    }
    assert {row["cf_ledger_code"] for row in project.read_table("taxes")} == {"4711"}


def test_an_empty_answer_does_not_empty_a_table(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    project.materialize("taxes")
    for row in list(sandbox.rows("taxes")):
        sandbox.delete("taxes", row["tax_id"])

    result = project.materialize("taxes")

    assert result.success
    assert len(project.read_table("taxes")) == 3


def test_one_failing_resource_leaves_the_other_eight_loaded(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(sandbox, tmp_path, monkeypatch)
    sandbox.script("internal_error_1000", resource="contacts", times=None)

    result = project.materialize()

    assert not result.success
    assert set(failures_of(result)) == {"load_contacts"}
    assert {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key} == (
        RESOURCES.keys() - {"contacts"}
    )
    assert checks_of(result, "contacts") == {}


def test_a_load_that_fails_on_its_last_page_leaves_the_table_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(rows={"invoices": 450}) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch)
        sandbox.script("reset_in_mid_body", resource="invoices", after=2, times=None)

        project.materialize("invoices")

        assert project.query("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'invoices'") == [(0,)]


TENTH = ResourceSpec(
    name="estimates",
    path="estimates",
    data_selector="estimates",
    primary_key="estimate_id",
    cadence=Cadence.REFERENCE,
    scopes=frozenset({"ZohoInvoice.estimates.READ"}),
    sort=Sort(column="estimate_number"),
    description="Offers to customers.",
    columns=(
        text("estimate_id", "Identifier of the estimate", required=True),
        text("estimate_number", "Number of the estimate"),
        money("total", "Amount of the estimate", required=True),
    ),
)
TENTH_ENDPOINT = Endpoint(
    name="estimates",
    path="estimates",
    wrapper="estimates",
    key="estimate_id",
    default_sort=("estimate_number", "A"),
    records=(
        {"estimate_id": "4815000000000900001", "estimate_number": "EST-1", "total": Decimal("10.50")},
        {"estimate_id": "4815000000000900003", "estimate_number": "EST-2", "total": Decimal("7.00")},
    ),
)


def test_a_tenth_resource_is_a_row_in_the_catalog_and_one_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog: Mapping[str, ResourceSpec] = build_catalog([*RESOURCES.values(), TENTH])
    with Sandbox(rows=0, extra_endpoints=(TENTH_ENDPOINT,)) as sandbox:
        project = Project(sandbox, tmp_path, monkeypatch, catalog=catalog)

        result = project.materialize("estimates")

    assert failures_of(result) == {}
    assert project.query("SELECT estimate_number, total FROM invoicing.estimates ORDER BY 1") == [
        ("EST-1", Decimal("10.5")),
        ("EST-2", Decimal(7)),
    ]
    assert all(checks_of(result, "estimates").values())
