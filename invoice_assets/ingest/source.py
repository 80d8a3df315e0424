"""A resource of the catalog as a dlt `rest_api` source that yields Arrow tables.

The session that it reads through comes from `api/session.py`; where the rows go is the business of `pipeline.py`.
https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

from collections.abc import Iterator
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.common.jsonpath import compile_path
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema, TMergeDispositionDict, TTableFormat
from dlt.extract import DltSource
from dlt.sources.helpers.rest_client.client import PageData
from dlt.sources.rest_api import rest_api_source

from invoice_assets.api.envelope import PAGE_SIZE, Row
from invoice_assets.api.session import ApiSession
from invoice_assets.destinations import DUCKDB, DestinationSpec
from invoice_assets.ingest.census import RowCensus
from invoice_assets.ingest.fitting import refuse_misfits
from invoice_assets.ingest.paging import CheckedPaginator, KeysetPaginator, PageNumberPaginator, ScanReport
from invoice_assets.ingest.personal_data import Mask
from invoice_assets.ingest.typing import ColumnBatch, InvalidValueError
from invoice_assets.ingest.windows import COMPLETE, Window
from invoice_assets.resource_spec import DELETED_AT, IncrementalRead, ResourceSpec

MAX_NEW_COLUMNS = 500
"""Fields beside the catalog's that a load may bring: more than an organisation has, and room in a PostgreSQL table."""

BATCH_ROWS = 10_000
"""Rows an Arrow table: dlt's cost is per table, so one per 200-row page loses most of what Arrow gains."""

NAMES_SHOWN, NAME_SHOWN = 3, 40
"""How many fields an error names, and how many characters of each."""

BATCH_BYTES = 128_000_000
"""Body that is read for an Arrow table: six times 10,000 rows of the widest resource, so only odd rows reach it."""


def build_source(
    spec: ResourceSpec, *, session: ApiSession, report: ScanReport, batcher: "RowBatcher", window: Window = COMPLETE
) -> DltSource:
    """The rows of the list that were last modified within the window: a source whose one resource yields Arrow tables.

    `report` and `batcher` tell afterwards what was seen.
    """
    source = rest_api_source(
        {
            "client": {"base_url": session.account.base_url, "session": session},
            "resources": [
                {
                    "name": spec.name,
                    "endpoint": {
                        "path": spec.path,
                        "params": build_parameters(spec, window=window),
                        # Compiled here: dlt compiles a selector that is text anew for each page.
                        "data_selector": compile_path(spec.data_selector),
                        "paginator": build_paginator(spec, report=report, window=window),
                    },
                }
            ],
        },
        name=spec.name,
    )
    source.resources[spec.name].add_step(batcher)
    return source


def build_load_source(
    spec: ResourceSpec, tables: Iterator[pa.Table], *, destination: DestinationSpec = DUCKDB
) -> DltSource:
    """Tables of rows on their way into the resource's table: a source whose one resource is merged on the primary key.

    Of two rows with one key the last modified wins. What the destination cannot hold ends the load before it begins.
    """
    merge: TMergeDispositionDict = {"disposition": "merge", "strategy": destination.merge_strategy}
    resource = dlt.resource(
        refuse_misfits(tables, spec, destination_type=destination.destination_type),
        name=spec.name,
        primary_key=spec.primary_key,
        write_disposition=merge,
        columns=build_column_hints(spec, has_json=destination.has_json),
    )
    if destination.table_format:
        resource.apply_hints(table_format=cast(TTableFormat, destination.table_format))
    return DltSource(Schema(spec.name), spec.name, [resource])


def build_paginator(spec: ResourceSpec, *, report: ScanReport, window: Window = COMPLETE) -> CheckedPaginator:
    """By keyset where the change stamp sorts the list, else by page number."""
    if spec.incremental is IncrementalRead.KEYSET:
        return KeysetPaginator(
            wrapper=spec.data_selector, sort=spec.sort, report=report, window=window, primary_key=spec.primary_key
        )
    return PageNumberPaginator(wrapper=spec.data_selector, sort=spec.sort, report=report)


def build_column_hints(spec: ResourceSpec, *, has_json: bool = True) -> dict[str, TColumnSchema]:
    """The catalog's columns as dlt hints; JSON is text where the destination has no such type.

    Every column may hold NULL in the warehouse: what must not is judged by asset checks, after the data is safe.
    """
    hints: dict[str, TColumnSchema] = {}
    for column in spec.columns:
        data_type = "text" if column.data_type == "json" and not has_json else column.data_type
        hint: TColumnSchema = {"name": column.name, "data_type": data_type, "nullable": True}
        if column.precision is not None:
            hint |= {"precision": column.precision, "scale": column.scale}
        if column.name == spec.primary_key:
            hint["primary_key"] = True
        if column.name == spec.modified_column:
            hint["dedup_sort"] = "desc"
        hints[column.name] = hint
    hints[DELETED_AT] = {"name": DELETED_AT, "data_type": "timestamp", "nullable": True}
    return hints


def build_parameters(spec: ResourceSpec, *, window: Window = COMPLETE) -> dict[str, Any]:
    """The query of every request: full pages, the sort, the lower bound, and the default filters lifted."""
    parameters = {"per_page": PAGE_SIZE, "sort_column": spec.sort.column, "sort_order": spec.sort.order}
    if window.asks_from is not None:
        parameters["last_modified_time"] = window.asks_from
    return parameters | dict(spec.parameters)


class RowBatcher:
    """A step of the resource's pipe that turns pages of rows into Arrow tables of at least `BATCH_ROWS` rows.

    Rows past the window are left to the window that they belong to. The last table holds what is left, and comes even
    where there are no rows at all: it carries the columns. `census` tells of the rows that were handed on.
    `personal_data_key` is what personal data is hashed with, where it is.
    """

    def __init__(
        self,
        spec: ResourceSpec,
        *,
        window: Window = COMPLETE,
        max_new_columns: int = MAX_NEW_COLUMNS,
        personal_data_key: str = "",
    ) -> None:
        self.census = RowCensus(spec)
        self._max_new_columns = max_new_columns
        self._spec = spec
        self._window = window
        self._mask = Mask(spec, key=personal_data_key)
        self._batch = ColumnBatch(spec, mask=self._mask)
        self._bytes = 0
        self._seen_on_last_page: set[str] = set()

    def __call__(self, page: PageData[Row], meta: Any = None) -> Iterator[pa.Table]:
        """Take a page in; yield a table where a batch is full or the list is at its end.

        Raises:
            InvalidValueError: A value does not fit its column, or there are more new columns than is allowed.
        """
        rows = self._choose_rows(page)
        self.census.note(rows)
        if len(self.census.new_columns) > self._max_new_columns:
            raise self._refuse_new_columns()
        self._batch.extend(rows, new_columns=self.census.new_columns)
        self._bytes += len(page.response.content)
        if len(self._batch) >= BATCH_ROWS or self._bytes >= BATCH_BYTES or not page.paginator.has_next_page:
            # Begun anew before the table is handed on: dlt may bring the next page before it resumes this generator.
            batch, self._batch, self._bytes = self._batch, ColumnBatch(self._spec, mask=self._mask), 0
            yield batch.build_table()

    def _refuse_new_columns(self) -> InvalidValueError:
        fields = self.census.new_columns
        some = ", ".join(repr(name[:NAME_SHOWN]) for name in sorted(fields)[:NAMES_SHOWN])
        return InvalidValueError(
            f"{self._spec.name}: {len(fields)} fields that the catalog does not know, such as {some}; "
            f"{self._max_new_columns} is the most that a load may bring. Nothing of it was written: look at the "
            "source, or set INVOICE_MAX_NEW_COLUMNS to more, then run again."
        )

    def _choose_rows(self, page: list[Row]) -> list[Row]:
        """The rows of the window, less those that the page before brought: a keyset asks for its last ones again."""
        versions = [f"{row.get(self._spec.primary_key)} {row.get('last_modified_time')}" for row in page]
        seen, self._seen_on_last_page = self._seen_on_last_page, set(versions)
        return [
            row
            for row, version in zip(page, versions, strict=True)
            if version not in seen and not self._is_past_the_window(row)
        ]

    def _is_past_the_window(self, row: Row) -> bool:
        stamp = row.get("last_modified_time") if self._window.end else None
        try:
            return isinstance(stamp, str) and bool(stamp) and self._window.ends_before(stamp)
        except ValueError:  # no instant: the column refuses it, with the row's key
            return False
