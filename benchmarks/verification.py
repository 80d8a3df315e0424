"""Whether a loader's tables hold what was served: a fast wrong answer is no result.

Both sides are boiled down by DuckDB to the same figures: rows, distinct keys, and checksums of (key, value). All
loaders must agree on one amount of each resource, to a hundredth; this project on every value of every column.
https://duckdb.org/docs/stable/sql/functions/aggregates
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import duckdb
import msgspec
import pyarrow as pa

from benchmarks.peers.loaders import Peer
from benchmarks.rows import stream_rows
from invoice_assets.catalog import RESOURCES
from invoice_assets.resource_spec import MONEY_SCALE, Column, ResourceSpec
from invoice_assets_tests.sandbox.endpoints import ENDPOINTS

KEY, AMOUNT = "the key", "an amount, to a hundredth"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK_ROWS = 20_000

Result = TypeVar("Result")


class WrongAnswerError(AssertionError):
    """A table does not hold what was served; the message names the loader, the resource and what differs."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What a table holds; checksums by the column, and those that all loaders share."""

    rows: int
    keys: int
    checksums: Mapping[str, int]


def verify(database: Path, *, peer: Peer, served: Mapping[str, Fingerprint], is_exact: bool) -> None:
    """Compare the tables with what was served; `is_exact` is by every value, else one amount of each resource.

    Raises:
        WrongAnswerError: They differ.
    """
    _call_elsewhere(_verify, database, peer, served, is_exact)


@lru_cache
def fingerprint_served(rows: frozenset[tuple[str, int]]) -> dict[str, Fingerprint]:
    """What a server of so many rows serves, of each resource that has any; `rows` are the items of their mapping."""
    return _call_elsewhere(_fingerprint_all, dict(rows))


def _call_elsewhere(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a process of its own.

    The kernel lets a new process begin with the peak memory of the one that started it, and the one that starts the
    loaders is this one: it has to stay small.
    """
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _verify(database: Path, peer: Peer, served: Mapping[str, Fingerprint], is_exact: bool) -> None:
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, expected in served.items():
            spec = RESOURCES[name]
            values = _shared_values(spec) | ({c.name: _text_of(c) for c in spec.columns} if is_exact else {})
            found = _boil_down(spec, peer.table_of(name), values=values, connection=connection)
            complaints = _compare(found, expected)
            if complaints:
                raise WrongAnswerError(f"{peer.name}, {name}: {'; '.join(complaints)}")


def _compare(found: Fingerprint, expected: Fingerprint) -> list[str]:
    counts = (("rows", found.rows, expected.rows), ("distinct keys", found.keys, expected.keys))
    complaints = [f"{seen:,} {what} instead of {served:,}" for what, seen, served in counts if seen != served]
    wrong = [what for what, checksum in found.checksums.items() if checksum != expected.checksums[what]]
    return complaints + ([f"wrong values: {', '.join(wrong)}"] if wrong else [])


def _fingerprint_all(rows: Mapping[str, int]) -> dict[str, Fingerprint]:
    return {name: _fingerprint(RESOURCES[name], rows) for name in RESOURCES if rows.get(name)}


def _fingerprint(spec: ResourceSpec, rows: Mapping[str, int]) -> Fingerprint:
    endpoint = next(endpoint for endpoint in ENDPOINTS if endpoint.name == spec.name)
    texts, keys, parts = stream_rows(endpoint, counts=rows), set[str](), list[Fingerprint]()
    values = _shared_values(spec) | {column.name: f'"{column.name}"' for column in spec.columns}
    with duckdb.connect() as connection:
        while chunk := list(islice(texts, CHUNK_ROWS)):
            served = _read_as_text(spec, chunk)
            keys.update(served[spec.primary_key].to_pylist())
            connection.register("served", served)
            parts.append(_boil_down(spec, "served", values=values, connection=connection))
    checksums = dict.fromkeys(values, 0)
    for part in parts:
        checksums = {what: checksum ^ part.checksums[what] for what, checksum in checksums.items()}
    return Fingerprint(rows=sum(part.rows for part in parts), keys=len(keys), checksums=checksums)


def _boil_down(
    spec: ResourceSpec, table: str, *, values: Mapping[str, str], connection: duckdb.DuckDBPyConnection
) -> Fingerprint:
    """The fingerprint of a table; `values` are SQL expressions for texts, by what they are called."""
    sums = [
        f"""coalesce(bit_xor(hash("{spec.primary_key}"::VARCHAR || '|' || coalesce({sql}, 'NULL'))), 0)"""
        for sql in values.values()
    ]
    figures = connection.execute(
        f'SELECT {", ".join(["count(*)", f"""count(DISTINCT "{spec.primary_key}")""", *sums])} FROM {table}'
    ).fetchone()
    assert figures
    return Fingerprint(rows=figures[0], keys=figures[1], checksums=dict(zip(values, figures[2:], strict=True)))


def _shared_values(spec: ResourceSpec) -> dict[str, str]:
    """The key alone, and with the first amount of money, if any, in hundredths, which survive a loader's floats."""
    name = next((column.name for column in spec.columns if column.scale == MONEY_SCALE), None)
    amount = {AMOUNT: f'round("{name}"::DOUBLE * 100)::BIGINT::VARCHAR'} if name else {}
    return {KEY: "''"} | amount


def _text_of(column: Column) -> str:
    """SQL for a value of the warehouse, written as `_write` does it."""
    return f'epoch_us("{column.name}")::VARCHAR' if column.data_type == "timestamp" else f'"{column.name}"::VARCHAR'


def _read_as_text(spec: ResourceSpec, texts: list[bytes]) -> pa.Table:
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    rows = [decoder.decode(text) for text in texts]
    return pa.table({c.name: pa.array([_write(c, row.get(c.name)) for row in rows], pa.string()) for c in spec.columns})


def _write(column: Column, wire: msgspec.Raw | None) -> str | None:
    """A value of the wire, with all its digits, as DuckDB writes the column that it belongs into."""
    if wire is None or (text := bytes(wire)) == b"null" or (column.empty_is_null and text == b'""'):
        return None
    if column.data_type == "json":
        return text.decode()
    value = msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()
    match column.data_type:
        case "decimal":
            return f"{Decimal(value):.{column.scale}f}"
        case "timestamp":
            return str((datetime.fromisoformat(value) - EPOCH) // timedelta(microseconds=1))
        case _:
            return value
