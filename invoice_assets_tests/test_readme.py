"""The README is short, and every command in it is one that tests or CI execute."""

import re
from pathlib import Path

from invoice_assets_tests.cli.test_application import COMMANDS
from invoice_assets_tests.packaging.fresh_clone import ROOT
from invoice_assets_tests.packaging.test_demo import COMMAND as DEMO
from invoice_assets_tests.packaging.test_dev import COMMAND as DEV

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCREEN = 50
"""Lines of a large terminal."""


def list_commands(text: str) -> set[str]:
    """The commands of the shell blocks of a page, without their comments."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return {command for line in lines if (command := line.partition("#")[0].strip())}


def test_the_readme_is_no_longer_than_two_screens() -> None:
    assert len(README.splitlines()) <= 2 * SCREEN


def test_every_command_of_the_readme_is_executed() -> None:
    executed_by_ci = Path(ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert {DEMO, DEV} <= list_commands(README) <= {DEMO, DEV, *executed_by_ci}


def test_what_the_readme_says_of_the_command_line_is_there() -> None:
    named = set(re.findall(r"`invoice-assets ([a-z ]+)", README))

    assert {"authorize", "doctor"} <= named <= set(COMMANDS)
