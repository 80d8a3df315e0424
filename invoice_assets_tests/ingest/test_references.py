from dataclasses import replace
from datetime import UTC, datetime

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.references import ReferenceInspection, inspect_references
from invoice_assets.resource_spec import Cadence, Reference, ResourceSpec, Sort, optional_text, text, timestamp
from invoice_assets_tests.ingest.stored import create_table

READ_AT = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
OLD, YOUNG = "2026-03-08T11:59:59+00:00", "2026-03-08T12:00:00+00:00"
GONE = "2026-03-09T03:00:00+00:00"

OWNERS = ResourceSpec(
    name="owners",
    path="owners",
    data_selector="owners",
    primary_key="owner_id",
    cadence=Cadence.REFERENCE,
    scopes=frozenset({"owners.READ"}),
    sort=Sort(column="owner_id"),
    description="Who owns things.",
    columns=(text("owner_id", "Identifier", required=True),),
)
PLACES = replace(
    OWNERS, name="places", primary_key="place_id", columns=(text("place_id", "Identifier", required=True),)
)
GOODS = replace(
    OWNERS,
    name="goods",
    primary_key="good_id",
    columns=(
        text("good_id", "Identifier", required=True),
        optional_text("owner_id", "Whose it is"),
        optional_text("place_id", "Where it is"),
        optional_text("sold_to", "Whose it will be"),
        timestamp("last_modified_time", "When it was last changed"),
    ),
    references=(
        Reference(column="owner_id", resource="owners"),
        Reference(column="place_id", resource="places"),
        Reference(column="sold_to", resource="owners"),
    ),
)
NOBODY = {"owner_id": 0, "place_id": 0, "sold_to": 0}


@pytest.fixture
def targets(pipeline: Pipeline) -> dict[str, ResourceSpec]:
    """What goods refer to: two owners, one of them deleted, and one place, each in its table."""
    create_table(pipeline, OWNERS, {"owner_id": "o1"}, {"owner_id": "o2", "deleted_at": GONE})
    create_table(pipeline, PLACES, {"place_id": "p1"})
    return {"owners": OWNERS, "places": PLACES}


def inspect(
    pipeline: Pipeline,
    targets: dict[str, ResourceSpec],
    *,
    spec: ResourceSpec = GOODS,
    read_at: dict[str, datetime] | None = None,
) -> ReferenceInspection:
    return inspect_references(pipeline, spec, targets=targets, read_at=read_at or {})


def test_rows_that_find_what_they_refer_to_are_counted_in_one_statement(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], statements: list[str]
) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o1", "place_id": "p1"}, {"good_id": "2"})
    statements.clear()

    found = inspect(pipeline, targets)

    assert found == ReferenceInspection(rows=2, orphans=NOBODY, samples={}, sql=found.sql)
    assert statements == [found.sql]


def test_each_reference_has_its_own_orphans(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    create_table(
        pipeline,
        GOODS,
        {"good_id": "1", "owner_id": "o1", "place_id": "p9", "sold_to": "o9"},
        {"good_id": "2", "owner_id": "o1", "place_id": "o1", "sold_to": "o2"},
        {"good_id": "3", "owner_id": "o9", "place_id": "p1", "sold_to": "o9"},
    )

    found = inspect(pipeline, targets)

    assert found.rows == 3
    assert found.orphans == {"owner_id": 1, "place_id": 2, "sold_to": 2}
    assert found.samples == {"owner_id": ("3",), "place_id": ("1", "2"), "sold_to": ("1", "3")}


@pytest.mark.parametrize("nobody", [None, ""], ids=["NULL", "empty"])
def test_a_row_without_a_value_refers_to_nothing(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], nobody: str | None
) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": nobody, "place_id": "p1"})

    assert inspect(pipeline, targets).orphans == NOBODY


@pytest.mark.parametrize("key", [None, ""], ids=["NULL", "empty"])
def test_a_target_without_a_key_is_nobody_s(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], key: str | None
) -> None:
    create_table(pipeline, replace(PLACES, name="spots"), {"place_id": key}, {"place_id": key})
    spec = replace(GOODS, references=(Reference(column="place_id", resource="spots"),))
    create_table(pipeline, spec, {"good_id": "1", "place_id": "p1"}, {"good_id": "2", "place_id": key})

    found = inspect(pipeline, {"spots": replace(PLACES, name="spots")}, spec=spec)

    assert (found.rows, found.orphans) == (2, {"place_id": 1})


def test_a_target_that_is_marked_as_deleted_is_there(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    """The invoice of a customer who was deleted is no orphan: what the invoice refers to can be read."""
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o2"})

    assert inspect(pipeline, targets).orphans == NOBODY


def test_rows_that_the_source_no_longer_has_are_not_judged(
    pipeline: Pipeline, targets: dict[str, ResourceSpec]
) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o9", "deleted_at": GONE}, {"good_id": "2"})

    found = inspect(pipeline, targets)

    assert (found.rows, found.orphans) == (1, NOBODY)


@pytest.mark.parametrize(
    ("stamp", "orphans"),
    [(OLD, 1), (YOUNG, 0), (None, 1)],
    ids=["older than the target's read", "as young as it", "without a stamp"],
)
def test_a_row_that_is_younger_than_the_read_of_its_target_is_not_judged(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], stamp: str | None, orphans: int
) -> None:
    """A customer and the first invoice come together: the invoices may have been read after, the customers before."""
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o9", "last_modified_time": stamp})

    found = inspect(pipeline, targets, read_at={"owners": READ_AT})

    assert found.orphans == NOBODY | {"owner_id": orphans}
    assert found.samples == ({"owner_id": ("1",)} if orphans else {})


def test_each_target_has_its_own_last_read(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o9", "place_id": "p9", "last_modified_time": YOUNG})

    found = inspect(pipeline, targets, read_at={"owners": READ_AT, "places": datetime(2026, 3, 9, tzinfo=UTC)})

    assert found.orphans == NOBODY | {"place_id": 1}


def test_a_resource_without_a_stamp_is_judged_whole(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    spec = replace(GOODS, columns=GOODS.columns[:-1])
    create_table(pipeline, spec, {"good_id": "1", "owner_id": "o9"})

    assert inspect(pipeline, targets, spec=spec, read_at={"owners": READ_AT}).orphans == NOBODY | {"owner_id": 1}


def test_repeated_keys_of_a_target_do_not_multiply_the_rows(
    pipeline: Pipeline, targets: dict[str, ResourceSpec]
) -> None:
    with pipeline.sql_client() as client:
        client.execute_sql(f"INSERT INTO {client.make_qualified_table_name('owners')} (owner_id) VALUES ('o1'), ('o1')")
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o1", "place_id": "p9", "sold_to": "o1"})

    found = inspect(pipeline, targets)

    assert (found.rows, found.orphans) == (1, NOBODY | {"place_id": 1})


def test_a_resource_may_refer_to_itself(pipeline: Pipeline) -> None:
    spec = replace(GOODS, references=(Reference(column="owner_id", resource="goods"),))
    create_table(pipeline, spec, {"good_id": "1"}, {"good_id": "2", "owner_id": "1"}, {"good_id": "3", "owner_id": "9"})

    found = inspect(pipeline, {"goods": spec}, spec=spec)

    assert (found.rows, found.orphans, found.samples) == (3, {"owner_id": 1}, {"owner_id": ("3",)})


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        pytest.param(["owners"], ("goods", "places"), id="the table and a target"),
        pytest.param(["owners", "goods"], ("places",), id="a target"),
        pytest.param(["goods"], ("owners", "places"), id="all targets"),
        pytest.param(["owners", "places"], ("goods",), id="the table"),
    ],
)
def test_tables_that_are_missing_are_named_and_nothing_is_counted(
    pipeline: Pipeline, there: list[str], missing: tuple[str, ...], statements: list[str]
) -> None:
    for spec in (OWNERS, PLACES, GOODS):
        if spec.name in there:
            create_table(pipeline, spec)
    statements.clear()

    found = inspect(pipeline, {"owners": OWNERS, "places": PLACES})

    assert found == ReferenceInspection(rows=0, orphans={}, samples={}, missing_tables=missing)
    assert statements == []


def test_the_samples_are_the_first_five_keys(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    create_table(pipeline, GOODS, *({"good_id": str(n), "owner_id": "o9"} for n in (7, 3, 5, 1, 6, 2, 4)))

    found = inspect(pipeline, targets)

    assert found.orphans["owner_id"] == 7
    assert found.samples["owner_id"] == ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("key", [None, ""], ids=["NULL", "empty"])
def test_an_orphan_without_a_key_is_counted_and_not_shown(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], key: str | None
) -> None:
    create_table(pipeline, GOODS, {"good_id": key, "owner_id": "o9"}, {"good_id": "2", "owner_id": "o9"})

    found = inspect(pipeline, targets)

    assert (found.orphans["owner_id"], found.samples["owner_id"]) == (2, ("2",))


def test_a_column_that_is_not_there_refers_to_nothing(pipeline: Pipeline, targets: dict[str, ResourceSpec]) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "place_id": "p9"}, without=["owner_id"])

    assert inspect(pipeline, targets).orphans == NOBODY | {"place_id": 1}


@pytest.mark.parametrize(
    ("types", "without"),
    [({}, ["last_modified_time"]), ({"last_modified_time": "TEXT"}, [])],
    ids=["not there", "a text"],
)
def test_without_a_usable_stamp_every_row_is_judged(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], types: dict[str, str], without: list[str]
) -> None:
    create_table(pipeline, GOODS, {"good_id": "1", "owner_id": "o9"}, types=types, without=without)

    assert inspect(pipeline, targets, read_at={"owners": READ_AT}).orphans == NOBODY | {"owner_id": 1}


@pytest.mark.parametrize("changed", ["the column", "its target"])
def test_a_type_that_changed_breaks_no_reference(
    pipeline: Pipeline, targets: dict[str, ResourceSpec], changed: str
) -> None:
    spots = replace(PLACES, name="spots")
    spec = replace(GOODS, references=(Reference(column="place_id", resource="spots"),))
    number = {"place_id": "BIGINT"}
    create_table(pipeline, spots, {"place_id": "7"}, types=number if changed == "its target" else {})
    create_table(pipeline, spec, {"good_id": "1", "place_id": "7"}, types=number if changed == "the column" else {})

    found = inspect(pipeline, {"spots": spots}, spec=spec)

    assert (found.rows, found.orphans) == (1, {"place_id": 0})
