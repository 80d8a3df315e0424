"""The physical limit: the least that can be done between the API and a DuckDB file, with the fastest parts there are.

Pages by `requests` (`pages.py`), rows cut out of them undecoded, read by Arrow's JSON reader, and put into the table by
key. It checks nothing, guesses the types from the first 10,000 rows, drops fields that come later, and rounds money
through floats: no loader, but a yardstick.
"""

import io
import sys

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.json
import requests

from benchmarks.loaders.pages import open_session, read_pages
from benchmarks.peers.access import SCHEMA, Access
from benchmarks.peers.endpoints import ENDPOINTS, Endpoint
from benchmarks.peers.readiness import announced_load

BATCH_ROWS = 10_000
MIXED = (b'"start_reading":""', b'"end_reading":""')
"""Fields that are a number or an empty text, which Arrow's reader refuses to mix."""


def main() -> int:
    """Load all resources into BENCHMARK_DATABASE."""
    access = Access.from_env()
    with announced_load(), open_session(access) as session, duckdb.connect(access.database) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}; USE {SCHEMA}")
        for endpoint in ENDPOINTS:
            _load(endpoint, session=session, access=access, connection=connection)
    return 0


def _load(
    endpoint: Endpoint, *, session: requests.Session, access: Access, connection: duckdb.DuckDBPyConnection
) -> None:
    rows: list[msgspec.Raw] = []
    schema: pa.Schema | None = None
    for envelope in read_pages(endpoint, session=session, access=access):
        rows += msgspec.json.decode(envelope[endpoint.wrapper], type=list[msgspec.Raw])
        if len(rows) >= BATCH_ROWS:
            schema = _merge(endpoint, _read(rows, schema=schema), connection=connection)
            rows = []
    if rows:
        _merge(endpoint, _read(rows, schema=schema), connection=connection)


def _read(rows: list[msgspec.Raw], *, schema: pa.Schema | None) -> pa.Table:
    text = b"\n".join(rows)
    for mixed in MIXED:
        text = text.replace(mixed, mixed[:-2] + b"null")
    batch = pyarrow.json.read_json(
        io.BytesIO(text),
        read_options=pyarrow.json.ReadOptions(block_size=len(text) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore" if schema else "infer"
        ),
    )
    # DuckDB has no type for an object without fields.
    return batch.drop_columns([f.name for f in batch.schema if pa.types.is_struct(f.type) and not f.type.num_fields])


def _merge(endpoint: Endpoint, batch: pa.Table, *, connection: duckdb.DuckDBPyConnection) -> pa.Schema:
    """Put the rows into the table, those with the same keys replaced; returns their schema."""
    name, key = endpoint.name, endpoint.primary_key
    connection.register("batch", batch)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM batch LIMIT 0")
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {name} WHERE {key} IN (SELECT {key} FROM batch)")
    connection.execute(f"INSERT INTO {name} BY NAME FROM batch")
    connection.execute("COMMIT")
    connection.unregister("batch")
    return batch.schema


if __name__ == "__main__":
    sys.exit(main())
