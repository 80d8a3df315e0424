"""`api/token_store.py`: what is kept of a grant, and that nobody without its secret can read it."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from invoice_assets.api.shared_state import FolderState
from invoice_assets.api.token_store import AccessToken, SharedTokens, SharedTokenStore

TOKENS = SharedTokens(
    token=AccessToken(value="1000.planted-access-token", expires_at=3600.0), refresh_token="planted-refresh-token"
)


def _open(folder: Path, *, secret: str = "a secret", identity: str = "a grant") -> SharedTokenStore:
    return SharedTokenStore(FolderState(folder), identity=identity, secret=secret)


def _all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_one_process_keeps_the_next_reads(tmp_path: Path) -> None:
    _open(tmp_path).update(lambda _: TOKENS)

    assert _open(tmp_path).read() == TOKENS


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    assert _open(tmp_path).read() == SharedTokens()


@pytest.mark.parametrize("other", [{"secret": "another"}, {"identity": "another"}], ids=["secret", "grant"])
def test_another_grant_starts_with_nothing(tmp_path: Path, other: dict[str, str]) -> None:
    _open(tmp_path).update(lambda _: TOKENS)

    assert _open(tmp_path, **other).read() == SharedTokens()
    assert _open(tmp_path).read() == TOKENS


def test_a_change_that_fails_leaves_what_was_known_and_the_lock_free(tmp_path: Path) -> None:
    store = _open(tmp_path)
    store.update(lambda _: TOKENS)

    with pytest.raises(ZeroDivisionError):
        store.update(lambda _: SharedTokens(renewed_at=1 / 0))

    assert store.update(lambda known: known) == TOKENS


def test_no_token_can_be_read_in_the_files(tmp_path: Path) -> None:
    _open(tmp_path, secret="planted-secret", identity="planted-identity").update(lambda _: TOKENS)

    assert b"planted" not in _all_bytes(tmp_path)


def test_files_and_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    _open(tmp_path / "state").update(lambda _: TOKENS)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state", *tmp_path.glob("*/*"))}
    assert modes == {"state": 0o700, next(tmp_path.glob("*/tokens-*.sqlite")).name: 0o600}


def test_a_row_that_cannot_be_read_is_replaced_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = _open(tmp_path)
    store.update(lambda _: TOKENS)
    with store._tables.connect() as connection:
        connection.exec_driver_sql("UPDATE invoice_assets_tokens SET sealed = x'00'")

    with caplog.at_level(logging.WARNING):
        assert store.read() == SharedTokens()

    assert "cannot be read and is replaced" in caplog.text
    assert store.update(lambda _: TOKENS) == store.read() == TOKENS


def test_no_repr_shows_a_token() -> None:
    assert "planted" not in repr(TOKENS)
