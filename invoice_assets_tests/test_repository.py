"""The files around the code that hosts and tools read: hooks before a commit, issue forms, the changelog's headings."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent
FORMS = [form for form in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if form.stem != "config"]


@pytest.fixture
def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def test_hooks_before_a_commit_use_the_locked_tools_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))

    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    tools = [Path(hook["entry"].split()[0]) for hook in hooks]

    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {str(tool.parent) for tool in tools} == {".venv/bin"}
    assert [tool.name for tool in tools if not Path(sys.executable).with_name(tool.name).exists()] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_asks_for_what_is_needed(form: Path) -> None:
    read = yaml.safe_load(form.read_text(encoding="utf-8"))

    asked = [field for field in read["body"] if field["type"] != "markdown"]

    assert read["name"]
    assert read["description"]
    assert len({field["id"] for field in asked}) == len(asked) > 1
    assert all(field["attributes"]["label"] for field in asked)
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_the_changelog_has_what_is_unreleased_first_and_then_versions_with_their_day() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (first, *versions) = re.findall(r"^## (.*)$", text, re.MULTILINE)

    assert first == "Unreleased"
    assert [name for name in versions if not re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", name)] == []


def test_the_version_is_the_newest_of_the_changelog(version: str) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## (\S+) \(", text, re.MULTILINE)[0] == version


def test_the_version_stands_in_one_place(version: str) -> None:
    written = re.compile(rf"""version\w*\s*=\s*["']{re.escape(version)}["']""", re.IGNORECASE)

    files = [ROOT / "pyproject.toml", ROOT / "setup.py", *(ROOT / "invoice_assets").rglob("*.py")]

    assert [path.name for path in files if written.search(path.read_text(encoding="utf-8"))] == ["pyproject.toml"]
