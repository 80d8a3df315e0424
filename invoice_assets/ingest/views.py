"""How a view is made in the warehouse; what stands in it is the business of `union_views.py` and `report_views.py`.

https://dlthub.com/docs/dlt-ecosystem/transformations/sql
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.sql_client import SqlClientBase


def make_view(client: SqlClientBase[Any], name: str, select: str) -> None:
    """Make a view, or make it anew, in the client's dataset, which is created where it does not exist.

    A view whose columns stay is replaced where it stands, and who may read it stays too. One whose columns change is
    dropped first: PostgreSQL adds columns to a view at its end alone.
    """
    if not client.has_dataset():
        client.create_dataset()
    view = client.make_qualified_table_name(name)
    try:
        with _begin_transaction(client):
            client.execute_sql(f"CREATE OR REPLACE VIEW {view} AS {select}")
    except DatabaseException:
        with _begin_transaction(client):
            client.execute_sql(f"DROP VIEW IF EXISTS {view}")
            client.execute_sql(f"CREATE VIEW {view} AS {select}")


def _begin_transaction(client: SqlClientBase[Any]) -> AbstractContextManager[Any]:
    """A transaction where views can be changed in one."""
    return client.begin_transaction() if client.capabilities.supports_ddl_transactions else nullcontext()
