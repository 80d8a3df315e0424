"""Views over the tables that several organisations have of one resource, with the organisation's slug as a column.

Which organisations there are lives in `invoice_assets/organizations.py`; when a view is made anew, in
`defs/union_views.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.ingest.tables import open_tables
from invoice_assets.ingest.views import make_view
from invoice_assets.resource_spec import ResourceSpec, qualify

ORGANIZATION = "organization"
"""The view's first column: the slug."""


@dataclass(frozen=True, kw_only=True)
class UnionView:
    """A view that was made: its columns, and whose tables it has with which columns."""

    columns: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]]


def create_union_view(pipeline: Pipeline, spec: ResourceSpec, *, organizations: Sequence[str]) -> UnionView | None:
    """Make the view of a resource anew in the pipeline's dataset; None where no organisation has a table yet.

    A column that an organisation does not have is NULL for its rows. Rows marked deleted are in the view too.
    """
    columns = {slug: _read_columns(pipeline, spec, slug) for slug in organizations}
    columns = {slug: found for slug, found in columns.items() if found}
    if not columns:
        return None
    names = tuple(dict.fromkeys(name for found in columns.values() for name in found))
    with pipeline.sql_client() as client:
        make_view(client, spec.name, _unite(client, spec, columns, names))
    return UnionView(columns=(ORGANIZATION, *names), sources=columns)


def _read_columns(pipeline: Pipeline, spec: ResourceSpec, slug: str) -> tuple[str, ...]:
    """The columns of an organisation's table, in its order; none where there is no table."""
    with open_tables(pipeline, spec, dataset=qualify(pipeline.dataset_name, slug)) as (table,):
        return tuple(table.types) if table else ()


def _unite(
    client: SqlClientBase[Any], spec: ResourceSpec, columns: Mapping[str, Sequence[str]], names: Sequence[str]
) -> str:
    own = client.dataset_name
    return " UNION ALL ".join(
        f"SELECT '{slug}' AS {client.escape_column_name(ORGANIZATION)}, "
        + ", ".join(_select(client, name, is_there=name in found) for name in names)
        + f" FROM {_name_table(client, spec, qualify(own, slug))}"
        for slug, found in columns.items()
    )


def _select(client: SqlClientBase[Any], name: str, *, is_there: bool) -> str:
    quoted = client.escape_column_name(name)
    return quoted if is_there else f"NULL AS {quoted}"


def _name_table(client: SqlClientBase[Any], spec: ResourceSpec, dataset: str) -> str:
    with client.with_alternative_dataset_name(dataset):
        return client.make_qualified_table_name(spec.name)
