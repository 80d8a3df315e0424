"""A resource of the catalog as a dlt `rest_api` source that yields Arrow tables.

The session that it reads through comes from `api/session.py`; where the rows go is the business of `pipeline.py`.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema
from dlt.extract import DltSource
from dlt.sources.helpers.rest_client.client import PageData
from dlt.sources.rest_api import rest_api_source

from invoice_assets.api.envelope import PAGE_SIZE, Row
from invoice_assets.api.session import ApiSession
from invoice_assets.ingest.paging import CheckedPageNumberPaginator, ScanReport
from invoice_assets.ingest.typing import build_table, find_new_columns
from invoice_assets.resource_spec import ResourceSpec

BATCH_ROWS = 10_000
"""Rows an Arrow table: dlt's cost is per table, so one per 200-row page loses most of what Arrow gains."""


def build_source(spec: ResourceSpec, *, session: ApiSession, report: ScanReport, batcher: "RowBatcher") -> DltSource:
    """The resource's list, read whole: a source with one resource that yields Arrow tables.

    Rows are merged into the table on the primary key; of two rows with one key the last modified wins. `report` and
    `batcher` tell afterwards what was seen.
    """
    source = rest_api_source(
        {
            "client": {"base_url": session.account.base_url, "session": session},
            "resources": [
                {
                    "name": spec.name,
                    "primary_key": spec.primary_key,
                    "write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
                    "columns": build_column_hints(spec),
                    "endpoint": {
                        "path": spec.path,
                        "params": build_parameters(spec),
                        "data_selector": spec.data_selector,
                        "paginator": CheckedPageNumberPaginator(
                            wrapper=spec.data_selector, sort=spec.snapshot_sort, report=report
                        ),
                    },
                }
            ],
        },
        name=spec.name,
    )
    source.resources[spec.name].add_step(batcher)
    return source


def build_column_hints(spec: ResourceSpec) -> dict[str, TColumnSchema]:
    """The catalog's columns as dlt hints.

    Every column may hold NULL in the warehouse: what must not is judged by asset checks, after the data is safe.
    """
    hints: dict[str, TColumnSchema] = {}
    for column in spec.columns:
        hint: TColumnSchema = {"name": column.name, "data_type": column.data_type, "nullable": True}
        if column.precision is not None:
            hint |= {"precision": column.precision, "scale": column.scale}
        if column.name == spec.primary_key:
            hint["primary_key"] = True
        if column.name == spec.modified_column:
            hint["dedup_sort"] = "desc"
        hints[column.name] = hint
    return hints


def build_parameters(spec: ResourceSpec) -> dict[str, Any]:
    """The query of a complete read: full pages, the stable sort, and the default filters lifted."""
    sort = {"sort_column": spec.snapshot_sort.column, "sort_order": spec.snapshot_sort.order}
    return {"per_page": PAGE_SIZE} | sort | dict(spec.parameters)


class RowBatcher:
    """A step of the resource's pipe that turns pages of rows into Arrow tables of at least `BATCH_ROWS` rows.

    The last table holds what is left, and comes even where there are no rows at all: it carries the columns.
    `new_columns` maps each field that the catalog does not know to its JSON type.
    """

    def __init__(self, spec: ResourceSpec) -> None:
        self.new_columns: dict[str, str] = {}
        self._spec = spec
        self._rows: list[Row] = []

    def __call__(self, page: PageData[Row], meta: Any = None) -> Iterator[pa.Table]:
        """Take a page in; yield a table where a batch is full or the list is at its end."""
        self._rows.extend(page)
        if len(self._rows) >= BATCH_ROWS or not page.paginator.has_next_page:
            # Emptied before the table is handed on: dlt may bring the next page before it resumes this generator.
            rows, self._rows = self._rows, []
            self.new_columns |= find_new_columns(self._spec, rows)
            yield build_table(self._spec, rows, new_columns=list(self.new_columns))
