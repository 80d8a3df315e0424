"""The docs say what is: what derives from the catalog is current, what they name exists."""

import re
import subprocess
from pathlib import Path

import pytest

from docs import (
    catalog_tables,
    decision_list,
    destination_tables,
    fault_tables,
    metric_tables,
    report_queries,
    table_reference,
)
from docs.reference_diagram import render_diagram
from invoice_assets.catalog import RESOURCES
from invoice_assets.destinations import DESTINATIONS
from invoice_assets.reporting.views import REPORT_VIEWS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", catalog_tables.PAGES, ids=lambda page: page.name)
def test_what_derives_from_the_catalog_is_current(page: Path) -> None:
    assert catalog_tables.replace_table(page) == page.read_text(encoding="utf-8"), "run `make docs`"


def test_the_columns_of_the_nine_tables_and_the_picture_of_them_are_those_of_the_catalog() -> None:
    text = table_reference.PAGE.read_text(encoding="utf-8")

    assert table_reference.replace_tables(text) == text, "run `make docs`"
    assert table_reference.DIAGRAM.read_text(encoding="utf-8") == render_diagram(RESOURCES), "run `make docs`"
    assert "| `customer_id` | text | no | Identifier of the customer; refers to [contacts](#contacts) |" in text


def test_the_list_of_decisions_has_every_one() -> None:
    text = decision_list.PAGE.read_text(encoding="utf-8")

    assert decision_list.replace_list(text) == text, "run `make docs`"
    assert "1. [Decisions are recorded](0001-record-decisions.md)" in text


def test_the_outcomes_of_faults_are_those_that_the_matrix_holds_loads_to() -> None:
    text = fault_tables.PAGE.read_text(encoding="utf-8")

    assert fault_tables.replace_tables(text) == text, "run `make docs`"


def test_the_destinations_are_those_that_loads_go_by() -> None:
    text = destination_tables.PAGE.read_text(encoding="utf-8")

    assert destination_tables.replace_table(text) == text, "run `make docs`"
    assert all(f"DESTINATION__WAREHOUSE__DESTINATION_TYPE={row.destination_type}" in text for row in DESTINATIONS[1:])
    assert all(f'pip install "invoice-assets[{row.extra}]"' in text for row in DESTINATIONS if row.extra)


def test_the_queries_of_reports_are_those_that_the_views_are_made_from() -> None:
    text = report_queries.PAGE.read_text(encoding="utf-8")

    assert report_queries.replace_reports(text) == text, "run `make docs`"
    assert all(view.sql.rstrip() in text for view in REPORT_VIEWS)


def test_the_metrics_are_those_that_the_code_records() -> None:
    text = metric_tables.PAGE.read_text(encoding="utf-8")

    assert metric_tables.replace_tables(text) == text, "run `make docs`"


def test_the_proofs_that_the_threat_model_names_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    (header, *rows) = re.findall(r"^\| .* \| .* \| (.*) \|$", text, re.MULTILINE)

    named = [name for row in rows for name in re.findall(r"`([\w/]+(?:\.py|/))`", row)]

    assert "proof" in header
    assert len(named) >= len(rows) > 5
    assert [name for name in named if not (ROOT / "invoice_assets_tests" / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))

    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_make_target_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    listed = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^  make (\w+) +\S", listed, re.MULTILINE) == [name for name in phony.split() if name in listed]
    assert {"setup", "demo", "dev", "sandbox", "test", "check", "bench", "docs", "help"} <= set(phony.split())
    assert all(f"  make {name} " in listed for name in phony.split())


def test_the_make_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    named = set(re.findall(r"make (\w+)", readme))

    assert named <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
