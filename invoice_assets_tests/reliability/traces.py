"""Looking for secrets in whatever a run leaves: files of all kinds, outputs, process arguments; in every spelling.

Which secrets are planted, and what is run with them, lives in the test modules.
"""

import gzip
import io
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"


def find_traces(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Where a secret stands, in words: `<secret>, <spelling>, in <place>`; both are given by name."""
    spellings = {name: dict(spell(secret)) for name, secret in secrets.items()}
    return sorted(
        f"{name}, {spelling}, in {place}"
        for place, content in places.items()
        for name, forms in spellings.items()
        for form, spelling in forms.items()
        if form in content
    )


def read_files(*folders: Path) -> dict[str, bytes]:
    """What is in each file of these folders, and in their names; what is compressed as it was before."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): f"{path}\n".encode() + b"\n".join(_unpack(path.read_bytes())) for path in files}


def spell(secret: str) -> Iterator[tuple[bytes, str]]:
    """The spellings of a secret that somebody could read it from, and their names."""
    plain = secret.encode()
    yield quote(secret, safe="").encode(), "URL-encoded"
    yield repr(secret)[1:-1].encode(), "repr"
    yield secret.encode("utf-16-le"), "UTF-16"
    yield plain.hex().encode(), "hex"
    yield plain.hex().upper().encode(), "hex"
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            # Of what stands before and after it, whatever it is, depend the outermost digits only.
            digits = encode(bytes(before) + plain)
            yield digits[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6], "base64"
    yield plain, "plain"


def _unpack(content: bytes) -> Iterator[bytes]:
    yield content
    if content.startswith(GZIP):
        yield gzip.decompress(content)
    if content.startswith(PARQUET) and content.endswith(PARQUET):
        yield repr(pq.read_table(io.BytesIO(content)).to_pydict()).encode()
