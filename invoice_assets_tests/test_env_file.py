"""`env_file.py`: what changes in a `.env`, what stays, and who may read it."""

from __future__ import annotations

import codecs
import os
from io import StringIO
from pathlib import Path

import pytest
from dagster._core.secrets.env_file import get_env_var_dict
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from invoice_assets.env_file import (
    EnvFileError,
    change_variables,
    find_broken_lines,
    is_for_the_owner_alone,
    load_variables,
    read_variables,
    require_writable,
    set_variables,
)

OWN = """\
# mine, with an = in it
export INVOICE_API_CLIENT_ID=old
INVOICE_ALERT_URLS='slack://a b'

  INVOICE_API_ORGANIZATION_ID = "two
lines"   # a comment
NOT A LINE
LAST=1"""


def set_and_read(path: Path, name: str) -> str:
    """The file, once the variable is 2."""
    set_variables(path, {name: "2"})
    return path.read_text()


def test_other_lines_and_comments_stay_as_they_are() -> None:
    changed = change_variables(OWN, {"INVOICE_API_CLIENT_ID": "new", "INVOICE_API_ORGANIZATION_ID": "1000"})

    assert changed == (
        "# mine, with an = in it\nexport INVOICE_API_CLIENT_ID=new\nINVOICE_ALERT_URLS='slack://a b'\n\n"
        "  INVOICE_API_ORGANIZATION_ID=1000\nNOT A LINE\nLAST=1"
    )


def test_a_variable_that_is_new_comes_last() -> None:
    assert change_variables("A=1", {"B": "2"}) == "A=1\nB=2\n"


def test_a_variable_that_is_set_twice_is_set_once() -> None:
    assert change_variables("A=1\nB=2\nA=3\n", {"A": "4"}) == "A=4\nB=2\n"


def test_line_ends_of_other_lines_stay() -> None:
    assert change_variables("A=1\r\nB=2\r\n", {"B": "3"}) == "A=1\r\nB=3\n"


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_every_printable_value_is_read_as_it_was_written_or_refused(value: str) -> None:
    try:
        changed = change_variables("A=1\n", {"A": value})
    except EnvFileError:
        assert "$" in value
    else:
        assert dotenv_values(stream=StringIO(changed)) == {"A": value}


def test_a_value_that_cannot_stand_there_is_refused_without_being_shown() -> None:
    with pytest.raises(EnvFileError, match="A has characters") as refused:
        change_variables("", {"A": "se${B}cret"})

    assert "cret" not in str(refused.value)


def test_a_new_file_begins_as_the_example_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("# help\nINVOICE_API_CLIENT_ID=\nINVOICE_DATASET=invoicing\n")
    before = os.umask(0)
    try:
        set_variables(tmp_path / ".env", {"INVOICE_API_CLIENT_ID": "1000.X"})
    finally:
        os.umask(before)

    assert (tmp_path / ".env").read_text() == "# help\nINVOICE_API_CLIENT_ID=1000.X\nINVOICE_DATASET=invoicing\n"
    assert is_for_the_owner_alone(tmp_path / ".env")
    assert read_variables(tmp_path / ".env") == {"INVOICE_API_CLIENT_ID": "1000.X", "INVOICE_DATASET": "invoicing"}


def test_a_file_that_others_could_read_is_for_its_owner_alone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    path.chmod(0o644)
    assert not is_for_the_owner_alone(path)

    set_variables(path, {"A": "2"})

    assert is_for_the_owner_alone(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / ".env"
    link.symlink_to(real)

    set_variables(link, {"A": "1"})

    assert link.is_symlink()
    assert real.read_text() == "A=1\n"


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()

    with pytest.raises(EnvFileError, match=r"\.env cannot be read"):
        set_variables(tmp_path / ".env", {"A": "1"})

    with pytest.raises(EnvFileError, match="cannot be written"):
        set_variables(tmp_path / "nowhere" / ".env", {"A": "1"})
    with pytest.raises(EnvFileError, match="cannot be written"):
        require_writable(tmp_path / "nowhere" / ".env")

    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert read_variables(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    ("content", "reason"), [(b"# caf\xe9\n", "it is no UTF-8"), (b"A=\0\n", "it is no text")], ids=["latin-1", "nul"]
)
def test_a_file_that_is_no_text_is_told_and_sets_nothing(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / ".env").write_bytes(content)

    with pytest.raises(EnvFileError, match=reason):
        load_variables(tmp_path / ".env")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_lines_that_cannot_be_read_are_found_by_their_numbers(tmp_path: Path, end: str) -> None:
    """What a quote that is left open takes with it is told as the line where it begins."""
    lines = ["A=1", "", "NOT A LINE", "B='two", "C=3", "D='fine", "here'", "  E 5", "F=6"]
    (tmp_path / ".env").write_bytes(end.join(lines).encode())

    assert find_broken_lines(tmp_path / ".env") == [3, 4, 8]
    assert set(read_variables(tmp_path / ".env")) == {"A", "F"}


def test_a_broken_line_is_left_out_without_a_word_of_python_dotenv_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It told the line without the file, at each command; the doctor tells both."""
    (tmp_path / ".env").write_text("NOT A LINE\nLEFT_OVER=1\n")
    monkeypatch.setenv("LEFT_OVER", "")
    monkeypatch.delenv("LEFT_OVER")

    load_variables(tmp_path / ".env")

    assert os.environ["LEFT_OVER"] == "1"
    assert read_variables(tmp_path / ".env") == {"LEFT_OVER": "1"}
    assert set_and_read(tmp_path / ".env", "A") == "NOT A LINE\nLEFT_OVER=1\nA=2\n"
    assert caplog.messages == []


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """Editors of Windows put one ahead; Dagster, which reads by python-dotenv too, takes no notice of it either."""
    (tmp_path / ".env").write_bytes(codecs.BOM_UTF8 + b"A=1\n")

    assert read_variables(tmp_path / ".env") == {"A": "1"} == get_env_var_dict(str(tmp_path))
    assert find_broken_lines(tmp_path / ".env") == []


def test_whether_a_file_could_be_written_is_found_out_without_making_one(tmp_path: Path) -> None:
    require_writable(tmp_path / ".env")

    assert list(tmp_path.iterdir()) == []
