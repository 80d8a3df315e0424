"""What a warehouse has to keep, whichever it is; a destination that fails here is not one for this project."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from invoice_assets.catalog import RESOURCES
from invoice_assets.destinations import Apart
from invoice_assets.ingest.deletions import mark_deletions
from invoice_assets.ingest.inspection import inspect_table
from invoice_assets.ingest.pipeline import has_loaded_since
from invoice_assets.ingest.references import inspect_references
from invoice_assets.ingest.warehouse_errors import WarehouseLockedError
from invoice_assets.resource_spec import DELETED_AT, Reference, ResourceSpec, boolean, integer, rate
from invoice_assets.resource_spec import json as json_column
from invoice_assets_tests.contract.contractor import Contractor
from invoice_assets_tests.ingest.stored import THINGS, build_things, thing
from invoice_assets_tests.runs import checks_of, metadata_of, names_of_checks

CONTACTS, EXPENSES, INVOICES, TAXES = (RESOURCES[name] for name in ("contacts", "expenses", "invoices", "taxes"))
MIXTURE = build_things(
    *THINGS.columns[1:],
    rate("rate", "Rate"),
    integer("whole", "Whole"),
    boolean("truth", "Truth"),
    json_column("tree", "Tree"),
)
"""A resource with a column of every type."""


def test_a_load_equals_its_source_value_by_value_and_its_checks_pass(contractor: Contractor) -> None:
    names = ("contacts", "recurring_invoices", "invoices")
    result = contractor.materialize(*names)

    for name in names:
        assert contractor.compare(RESOURCES[name]) == {}
        assert checks_of(result, name) == dict.fromkeys(names_of_checks(RESOURCES[name]), True)
    assert metadata_of(result, "invoices")["dagster/row_count"] == contractor.sandbox.count("invoices")


def test_a_second_load_changes_nothing(contractor: Contractor) -> None:
    contractor.materialize("invoices", "taxes")
    before = contractor.read(INVOICES), contractor.read(TAXES)

    contractor.materialize("invoices", "taxes")

    assert (contractor.read(INVOICES), contractor.read(TAXES)) == before


def test_an_edited_row_replaces_the_old_one(contractor: Contractor) -> None:
    contractor.materialize("contacts")
    (first, *_) = contractor.sandbox.rows("contacts")
    contractor.sandbox.edit(
        "contacts", first["contact_id"], company_name="", outstanding_receivable_amount=Decimal("12345678901.05")
    )

    contractor.materialize("contacts")

    assert contractor.compare(CONTACTS) == {}


def test_days_that_are_loaded_one_by_one_make_the_whole(contractor: Contractor) -> None:
    """A day that nothing was changed on is among them."""
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=back)).isoformat() for back in (2, 1, 0)]

    for day in days:
        contractor.materialize("invoices", partitions=(day, day))

    assert contractor.compare(INVOICES) == {}


def test_a_resource_without_rows_gets_its_table_and_passes_its_checks(contractor: Contractor) -> None:
    result = contractor.materialize("expenses")

    assert contractor.read(EXPENSES) == {}
    with contractor.open_table(EXPENSES) as table:
        assert table.types.keys() == {DELETED_AT, *(column.name for column in EXPENSES.columns)}
    failing = {name for name, passed in checks_of(result, "expenses").items() if not passed}
    assert failing <= {"references_are_resolved"}  # whose targets nobody has loaded


def test_rows_that_are_gone_are_marked_and_those_that_come_back_are_not(contractor: Contractor) -> None:
    contractor.sandbox.insert("taxes")
    contractor.sandbox.insert("taxes")
    contractor.materialize("taxes")
    (gone, *_) = contractor.sandbox.rows("taxes")
    contractor.sandbox.delete("taxes", gone["tax_id"])

    result = contractor.materialize("taxes")

    stored = contractor.read(TAXES)
    assert {key for key, row in stored.items() if row[DELETED_AT]} == {gone["tax_id"]}
    assert metadata_of(result, "taxes")["rows_marked_deleted"] == 1
    assert contractor.compare(TAXES) == {}

    contractor.load(TAXES, [gone])

    assert contractor.read(TAXES)[gone["tax_id"]][DELETED_AT] is None


def test_a_row_stays_marked_with_the_instant_at_which_it_was_found_gone(contractor: Contractor) -> None:
    contractor.load(THINGS, [thing("1"), thing("2"), thing("3")])
    first, second = datetime(2026, 3, 8, 12, 0, 0, 123456, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC)

    with contractor.open_pipeline(THINGS) as pipeline:
        mark_deletions(pipeline, THINGS, ["1"], deleted_at=first)
        mark_deletions(pipeline, THINGS, ["1", "2", "unheard of"], deleted_at=second)
        mark_deletions(pipeline, THINGS, [], deleted_at=second)

    marks = {key: row[DELETED_AT] for key, row in contractor.read(THINGS).items()}
    assert marks == {"1": first, "2": second, "3": None}


def test_the_columns_have_the_types_of_the_catalog(contractor: Contractor) -> None:
    contractor.load(MIXTURE, [thing("1", rate="1", whole=1, truth=True, tree={"a": []})])

    with contractor.open_table(MIXTURE) as table:
        assert dict(table.types) == {column.name: column.type_name for column in MIXTURE.columns} | {
            DELETED_AT: "timestamp"
        }


VALUES: dict[str, dict[str, Any]] = {
    "digits": {"total": "-9999999999999999999999.999999", "rate": "99999999999999999999.999999999999999999"},
    "integers": {"whole": -9223372036854775808, "truth": False},
    "days": {"date": "1969-07-20", "due_date": "9999-12-31", "last_modified_time": "2026-06-09T09:46:21+0545"},
    "texts": {"name": "\"'`\\ \\N NULL , ; -- \t\r\n %s {}", "note": "\u05d0 😀 e\u0301"},
    "JSON": {"tree": {"a": [1, "b", None, {"c": "\"'\\"}]}},
    "nothing": dict.fromkeys(["name", "total", "date", "status", "last_modified_time"]),
}


def test_values_come_back_exactly_as_they_were_sent(contractor: Contractor) -> None:
    contractor.load(MIXTURE, [thing(name, **values) for name, values in VALUES.items()])

    stored = contractor.read(MIXTURE)
    assert (stored["digits"]["total"], stored["digits"]["rate"]) == (
        Decimal("-9999999999999999999999.999999"),
        Decimal("99999999999999999999.999999999999999999"),
    )
    assert (stored["integers"]["whole"], stored["integers"]["truth"]) == (-(2**63), False)
    assert [str(stored["days"][name]) for name in ("date", "due_date")] == ["1969-07-20", "9999-12-31"]
    assert stored["days"]["last_modified_time"] == datetime(2026, 6, 9, 4, 1, 21, tzinfo=UTC)
    assert {name: stored["texts"][name] for name in VALUES["texts"]} == VALUES["texts"]
    assert json.loads(stored["JSON"]["tree"]) == VALUES["JSON"]["tree"]
    assert {stored["nothing"][name] for name in VALUES["nothing"]} == {None}


def test_of_a_key_that_comes_twice_the_last_modified_row_is_stored(contractor: Contractor) -> None:
    newer, older = (
        thing("1", name=name, last_modified_time=f"2026-03-0{day}T12:00:00+00:00")
        for day, name in ((8, "newer"), (7, "older"))
    )

    contractor.load(THINGS, [newer, older, thing("2")])

    assert {key: row["name"] for key, row in contractor.read(THINGS).items()} == {"1": "newer", "2": "Thing"}


def test_a_column_that_comes_later_is_added_and_one_that_stays_away_is_null(contractor: Contractor) -> None:
    contractor.load(THINGS, [thing("1"), thing("2")])
    contractor.load(THINGS, [thing("1", cf_code="4711"), thing("3", cf_code="4712")], new_columns=("cf_code",))
    contractor.load(THINGS, [thing("3")])

    assert {key: row["cf_code"] for key, row in contractor.read(THINGS).items()} == {"1": "4711", "2": None, "3": None}


def test_what_offends_is_counted_and_named(contractor: Contractor) -> None:
    offending = [thing("2", name=None), thing("3", total="-1"), thing("4", status="unheard of")]
    contractor.load(THINGS, [thing("1"), *offending])

    with contractor.open_pipeline(THINGS) as pipeline:
        found = inspect_table(pipeline, THINGS)

    assert found is not None
    assert (found.rows, found.live_keys, found.rows_with_repeated_key) == (4, 4, 0)
    assert found.missing["name"] == 1
    assert {name: keys for name, keys in found.samples.items() if len(keys) == 1} == found.samples
    assert {
        "name": ("2",),
        "total_is_never_negative": ("3",),
        "status_is_known": ("4",),
    }.items() <= found.samples.items()


def test_references_that_lead_nowhere_are_counted_and_named(contractor: Contractor) -> None:
    referring = ResourceSpec(
        **{**vars(THINGS), "name": "referring", "references": (Reference(column="note", resource="things"),)}
    )
    contractor.load(THINGS, [thing("1")])
    contractor.load(referring, [thing("a", note="1"), thing("b", note="2"), thing("c", note=None)])

    with contractor.open_pipeline(referring) as pipeline:
        found = inspect_references(
            pipeline, referring, targets={"things": THINGS}, read_at={"things": datetime.now(UTC)}
        )

    assert (found.rows, found.orphans, found.samples) == (3, {"note": 1}, {"note": ("b",)})


def test_a_load_is_known_to_have_ended(contractor: Contractor) -> None:
    with contractor.open_pipeline(THINGS) as pipeline:
        assert not has_loaded_since(pipeline, THINGS, datetime.now(UTC))
    before = datetime.now(UTC)
    contractor.load(THINGS, [thing("1")])

    with contractor.open_pipeline(THINGS) as pipeline:
        assert has_loaded_since(pipeline, THINGS, before)
        assert not has_loaded_since(pipeline, THINGS, datetime.now(UTC) + timedelta(minutes=1))


def test_one_table_takes_one_load_at_a_time(contractor: Contractor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the destination has no lock to take, nothing but Dagster's pools keeps them apart: docs/destinations.md."""
    monkeypatch.setenv("INVOICE_WAREHOUSE_PATIENCE", "0")
    refused: list[WarehouseLockedError] = []
    with contractor.resource.open_load(THINGS):
        try:
            contractor.load(THINGS, [thing("1")])
        except WarehouseLockedError as error:
            refused.append(error)

    assert bool(refused) == (contractor.destination.apart is not Apart.POOL)
