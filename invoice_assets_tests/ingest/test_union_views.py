import pytest
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.union_views import replace_view


@pytest.mark.parametrize("pipeline", ["duckdb"], indirect=True)
@pytest.mark.parametrize("in_transactions", [True, False])
def test_a_view_is_replaced_by_one_of_other_columns(pipeline: Pipeline, in_transactions: bool) -> None:
    """Most destinations change views in no transaction; DuckDB understands what they are told."""
    with pipeline.sql_client() as client:
        client.capabilities.supports_ddl_transactions = in_transactions
        view = client.make_qualified_table_name("things")

        replace_view(client, view, "SELECT 1 AS a")
        replace_view(client, view, "SELECT 2 AS b, 3 AS c")

        assert client.execute_sql(f"SELECT b, c FROM {view}") == [(2, 3)]
