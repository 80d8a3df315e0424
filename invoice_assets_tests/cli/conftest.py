"""Fixtures of the command line: a folder to run commands in, and a function that runs them."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from invoice_assets.cli import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a Dagster instance that remembers nothing, in which commands are run; they read its `.env`."""
    before = dict(os.environ)
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    yield folder
    os.environ.clear()
    os.environ.update(before)
    logging.getLogger("invoice_assets").setLevel(logging.NOTSET)  # --debug lowers it, for a process that ends with it


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command as the script does: its exit status, and all that it printed."""

    def run_one(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["invoice-assets", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capfd.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        return int(exited.value.code or 0), "".join(capfd.readouterr())

    return run_one
