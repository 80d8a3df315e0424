import importlib
import tomllib
from pathlib import Path

import pytest

from invoice_assets.destinations import (
    DESTINATIONS,
    DUCKDB,
    Apart,
    DestinationSpec,
    UnusableDestinationError,
    find_destination,
    stores_json,
)

ROOT = Path(__file__).parent.parent


def test_the_default_is_an_embedded_duckdb_loaded_from_parquet() -> None:
    """DuckDB's default in dlt (insert_values) takes 57 s where parquet takes 1.5 s: docs/adr/0002."""
    assert find_destination("duckdb") is DUCKDB
    assert DUCKDB.file_format == "parquet"


@pytest.mark.parametrize("row", DESTINATIONS, ids=lambda row: row.name)
def test_a_row_is_found_by_what_the_environment_says(row: DestinationSpec) -> None:
    assert find_destination(row.destination_type, table_format=row.table_format) is row


@pytest.mark.parametrize("row", DESTINATIONS, ids=lambda row: row.name)
def test_the_extra_that_a_row_names_is_declared(row: DestinationSpec) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert row.extra in {"", *declared}


@pytest.mark.parametrize("row", [row for row in DESTINATIONS if not row.table_format], ids=lambda row: row.name)
def test_dlt_knows_the_destination_and_what_it_is_to_do_there(row: DestinationSpec) -> None:
    factory = getattr(importlib.import_module("dlt.destinations"), row.destination_type)

    capabilities = factory().capabilities()

    assert row.file_format in capabilities.supported_loader_file_formats
    assert row.merge_strategy in capabilities.supported_merge_strategies


def test_a_destination_that_nobody_has_looked_at_is_refused_with_those_that_somebody_has() -> None:
    with pytest.raises(UnusableDestinationError) as refused:
        find_destination("redshift")

    assert str(refused.value) == (
        "DESTINATION__WAREHOUSE__DESTINATION_TYPE is 'redshift': nobody has looked whether merges, types and checks "
        "are right there. Set it to one of duckdb, postgres, filesystem, motherduck, snowflake, bigquery, databricks, "
        "clickhouse."
    )


def test_plain_files_are_refused_with_the_reason_and_the_variable_to_set() -> None:
    with pytest.raises(
        UnusableDestinationError, match=r"each load would double its rows\. Set INVOICE_TABLE_FORMAT to delta"
    ):
        find_destination("filesystem")


def test_an_unknown_table_format_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        UnusableDestinationError, match=r"^INVOICE_TABLE_FORMAT is 'hudi', .+ Set INVOICE_TABLE_FORMAT to delta\.$"
    ):
        find_destination("filesystem", table_format="hudi")


def test_iceberg_is_refused_with_what_stands_in_the_way() -> None:
    with pytest.raises(UnusableDestinationError, match=r"a commit for each 1,000 rows.+Set INVOICE_TABLE_FORMAT to"):
        find_destination("filesystem", table_format="iceberg")


def test_a_table_format_where_tables_have_one_already_is_refused() -> None:
    with pytest.raises(UnusableDestinationError, match="Snowflake has tables of its own: leave it out"):
        find_destination("snowflake", table_format="delta")


@pytest.mark.parametrize("driver", ["nothing_of_this_name", "nothing_of_this_name.connector"])
def test_a_driver_that_is_missing_is_told_with_the_command_that_installs_it(driver: str) -> None:
    row = DestinationSpec(
        destination_type="snowflake",
        title="Snowflake",
        extra="snowflake",
        driver=driver,
        file_format="parquet",
        has_json=False,
    )

    with pytest.raises(UnusableDestinationError) as refused:
        row.require_driver()

    assert str(refused.value).endswith('driver of Snowflake is not installed: pip install "invoice-assets[snowflake]".')


@pytest.mark.parametrize("row", [row for row in DESTINATIONS if row.is_tested], ids=lambda row: row.name)
def test_what_is_tested_here_has_its_driver_and_keeps_loads_apart(row: DestinationSpec) -> None:
    row.require_driver()

    assert row.apart is not Apart.POOL


def test_json_has_a_type_where_load_files_fill_it() -> None:
    assert [stores_json(name) for name in ("duckdb", "postgres", "filesystem", "snowflake")] == [
        True,
        True,
        False,
        False,
    ]
