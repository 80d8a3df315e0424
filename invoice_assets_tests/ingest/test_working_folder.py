"""`ingest/working_folder.py`: a folder for as long as its process lives, and none of a dead process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from invoice_assets.ingest.working_folder import SWEPT_AT_ONCE, WorkingFolderError, find_parent, open_working_folder

WORK = """
import sys
from contextlib import ExitStack
from invoice_assets.ingest.working_folder import open_working_folder

with ExitStack() as stack:
    for number in range(int(sys.argv[1])):
        folder = stack.enter_context(open_working_folder(f"invoices{number}"))
        (folder / "rows.jsonl").write_text("a customer's data")
        print(folder, flush=True)
    sys.stdin.readline()
"""
CHURN = """
from invoice_assets.ingest.working_folder import open_working_folder

for number in range(150):
    with open_working_folder("taxes") as folder:
        (folder / "rows.jsonl").write_text(str(number))
        assert (folder / "rows.jsonl").read_text() == str(number)
"""
Start = Callable[..., tuple["subprocess.Popen[str]", list[Path]]]


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, empty, for this process and those that it starts."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a process and lets it open folders; gives the process and the folders."""
    started: list[subprocess.Popen[str]] = []

    def start_one(folders: int = 1) -> tuple[subprocess.Popen[str], list[Path]]:
        command = [sys.executable, "-c", WORK, str(folders)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        return process, [Path(process.stdout.readline().rstrip("\n")) for _ in range(folders)]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def folders() -> set[Path]:
    return {path for path in find_parent().iterdir() if path.is_dir()}


def test_a_folder_is_empty_but_for_its_lock_and_gone_afterwards() -> None:
    with open_working_folder("invoices") as folder:
        assert folder.name.startswith("invoices-")
        assert [path.name for path in folder.iterdir()] == ["lock"]
        (folder / "deep").mkdir()
        (folder / "deep" / "rows.jsonl").write_text("a customer's data")

    assert folders() == set()


def test_nobody_else_can_look_into_it(temporary_folder: Path) -> None:
    with open_working_folder("invoices") as folder:
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, folder / "lock")]

    assert modes == [0o700, 0o700, 0o600]
    assert [path.name for path in temporary_folder.iterdir()] == [f"invoice-assets-{os.getuid()}"]


def test_an_error_in_it_leaves_nothing() -> None:
    with pytest.raises(ZeroDivisionError), open_working_folder("invoices"):
        1 / 0  # noqa: B018 - it is the error

    assert folders() == set()


def test_what_a_killed_process_left_is_deleted_by_the_next_load(start: Start) -> None:
    process, left = start(folders=2)
    kill(process)
    assert folders() == set(left)

    with open_working_folder("invoices") as folder:
        assert folders() == {folder}


def test_the_folder_of_a_living_process_is_let_be(start: Start) -> None:
    _, (living,) = start()

    with open_working_folder("invoices") as folder:
        assert folders() == {folder, living}
        assert (living / "rows.jsonl").read_text() == "a customer's data"


def test_the_folder_of_another_thread_is_let_be() -> None:
    with open_working_folder("invoices") as one, ThreadPoolExecutor(1) as threads:

        def look() -> set[Path]:
            with open_working_folder("taxes") as other:
                return folders() - {other}

        assert threads.submit(look).result() == {one}


def test_a_process_killed_between_making_a_folder_and_locking_it_leaves_nothing_either() -> None:
    with open_working_folder("invoices"):
        (find_parent() / "taxes-abc").mkdir()

    with open_working_folder("invoices") as folder:
        assert folders() == {folder}


def test_of_many_abandoned_folders_each_load_deletes_some() -> None:
    """The load that comes after a bad day is not the one that pays for all of it."""
    find_parent().mkdir()
    for number in range(SWEPT_AT_ONCE + 1):
        (find_parent() / f"invoices-{number:03}").mkdir()

    left = []
    for _ in range(2):
        with open_working_folder("taxes") as folder:
            left.append(len(folders() - {folder}))

    assert left == [1, 0]


def test_processes_that_start_at_once_leave_each_others_folders_alone(start: Start) -> None:
    """Each opens folder after folder while the others sweep; a dead one's are there to fight over."""
    dead, _ = start(folders=8)
    kill(dead)
    with ThreadPoolExecutor(4) as threads:
        living = [folder for _, opened in threads.map(lambda _: start(folders=8), range(4)) for folder in opened]

    assert folders() == set(living)
    assert {(folder / "rows.jsonl").read_text() for folder in living} == {"a customer's data"}


def test_processes_that_open_and_close_folders_side_by_side_do_not_get_into_each_others_way() -> None:
    """One found a folder, whose owner deleted it before its lock was tried, and failed."""
    processes = [subprocess.Popen([sys.executable, "-c", CHURN]) for _ in range(4)]

    assert [process.wait() for process in processes] == [0] * 4
    assert folders() == set()


def test_a_place_that_somebody_else_has_prepared_is_refused(temporary_folder: Path) -> None:
    (temporary_folder / "theirs").mkdir()
    find_parent().symlink_to(temporary_folder / "theirs")

    with pytest.raises(WorkingFolderError, match="set TMPDIR to a folder of your own"), open_working_folder("invoices"):
        pass

    assert list((temporary_folder / "theirs").iterdir()) == []


def test_a_place_that_others_could_look_into_is_closed_to_them() -> None:
    find_parent().mkdir(mode=0o755)

    with open_working_folder("invoices") as folder:
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
