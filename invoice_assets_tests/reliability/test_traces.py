"""`traces.py`: a search that finds nothing proves something only where it finds what is there."""

import gzip
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from invoice_assets_tests.reliability.traces import find_traces, read_files

SECRET = "p4ss/w0rd+ÿ?~of nobody"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"password={SECRET}!".encode(), id="plain"),
        pytest.param(f"--{SECRET}".encode().hex().encode(), id="hex"),
        pytest.param(urlencode({"a": SECRET}).replace("+", "%20").encode(), id="URL-encoded"),
        pytest.param(f"user:{SECRET}".encode("utf-16"), id="UTF-16"),
        *(
            pytest.param(
                encode(f"{'x' * before}{SECRET}{'y' * after}".encode()), id=f"{encode.__name__}-{before}-{after}"
            )
            for encode in (b64encode, urlsafe_b64encode)
            for before in range(4)
            for after in range(3)
        ),
    ],
)
def test_a_secret_is_found_in_every_spelling(content: bytes) -> None:
    assert find_traces({"password": SECRET}, {"log": content}) != []


def test_a_find_is_named_without_the_secret() -> None:
    places = {"log": b"the s3cret-of-nobody", "list": b64encode(b"s3cret-of-nobody")}

    assert find_traces({"other": "0ther", "password": "s3cret-of-nobody"}, places) == [
        "password, base64, in list",
        "password, plain, in log",
    ]


def test_what_is_no_secret_is_not_found() -> None:
    assert find_traces({"password": SECRET}, {"log": SECRET[:-1].encode()}) == []


def test_compressed_files_and_names_of_files_are_searched(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(SECRET.encode()))
    pq.write_table(pa.table({"x": ["z", "in a page", "s3cret-of-nobody"]}), tmp_path / "b.parquet", compression="zstd")
    (tmp_path / "s3cret-of-nobody.txt").write_text("nothing")

    found = find_traces({"first": SECRET, "second": "s3cret-of-nobody"}, read_files(tmp_path))

    assert {line.rpartition("/")[2] for line in found} == {"a.gz", "b.parquet", "s3cret-of-nobody.txt"}
