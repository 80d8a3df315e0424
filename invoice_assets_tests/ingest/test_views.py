"""How a view is made anew: where it stands if that is possible, so that who may read it stays."""

import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.views import make_view


def test_a_view_is_made_in_a_dataset_that_is_not_there_yet(pipeline: Pipeline) -> None:
    with pipeline.sql_client() as client, client.with_alternative_dataset_name("beside"):
        make_view(client, "answers", "SELECT 42 AS answer")

        found = client.execute_sql(f"SELECT answer FROM {client.make_qualified_table_name('answers')}")
        client.drop_dataset()

    assert found == [(42,)]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        pytest.param("SELECT 7 AS answer", [(7,)], id="the same columns"),
        pytest.param("SELECT 42 AS answer, 'x' AS remark", [(42, "x")], id="a column at the end"),
        pytest.param("SELECT 'x' AS remark, 42 AS answer", [("x", 42)], id="a column at the beginning"),
        pytest.param("SELECT 'x' AS answer", [("x",)], id="another type"),
        pytest.param("SELECT 7 AS other", [(7,)], id="another column"),
    ],
)
def test_a_view_is_made_anew_whatever_its_columns_were(
    pipeline: Pipeline, select: str, expected: list[tuple[object, ...]]
) -> None:
    with pipeline.sql_client() as client:
        make_view(client, "answers", "SELECT 42 AS answer")

        make_view(client, "answers", select)

        assert client.execute_sql(f"SELECT * FROM {client.make_qualified_table_name('answers')}") == expected


@pytest.mark.parametrize("pipeline", ["postgres"], indirect=True)
def test_who_may_read_a_view_may_read_it_when_it_was_made_anew(pipeline: Pipeline) -> None:
    """Dropping it took the grants of everybody with it, every night."""
    with pipeline.sql_client() as client:
        make_view(client, "answers", "SELECT 42 AS answer")
        view = client.make_qualified_table_name("answers")
        client.execute_sql(f"GRANT SELECT ON {view} TO PUBLIC")

        make_view(client, "answers", "SELECT 7 AS answer")

        grants = client.execute_sql(
            "SELECT grantee FROM information_schema.role_table_grants WHERE table_name = 'answers' AND "
            f"table_schema = '{client.dataset_name}' AND grantee = 'PUBLIC'"
        )
    assert grants == [("PUBLIC",)]


@pytest.mark.parametrize("pipeline", ["duckdb"], indirect=True)
def test_a_view_is_made_anew_where_views_are_changed_in_no_transaction(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in BigQuery, Databricks and ClickHouse; DuckDB understands what they are told."""
    with pipeline.sql_client() as client:
        monkeypatch.setattr(client.capabilities, "supports_ddl_transactions", False)
        monkeypatch.setattr(client, "begin_transaction", None)
        make_view(client, "answers", "SELECT 42 AS answer")

        make_view(client, "answers", "SELECT 7 AS other")

        assert client.execute_sql(f"SELECT other FROM {client.make_qualified_table_name('answers')}") == [(7,)]
