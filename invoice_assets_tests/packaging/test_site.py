"""The site of the docs: it builds, breaks where a link does, and asks nobody for anything when it is read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?([^"'\s>]+)|<link\b[^>]*\bhref=["']?([^"'\s>]+)"""
)
LEADS = re.compile(r"""<a\b[^>]*\bhref=["']?([^"'\s>]+)""")


def build_site(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """`make site` without its set-up, of the docs in `source`."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)],
        cwd=source,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make site` builds it."""
    folder = tmp_path_factory.mktemp("site")
    built = build_site(ROOT, folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]]

    names = [page.with_suffix(".html") if page.name != "README.md" else page.with_name("index.html") for page in pages]

    assert [str(name) for name in names if not (site / name).is_file()] == []
    assert len(names) > 40


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = {address for page in site.rglob("*.html") for pair in LOADED.findall(read(page)) for address in pair}

    assert any(address.endswith("docs/site.css") for address in loaded)
    assert [address for address in loaded if address.startswith(("http", "//"))] == []


def test_every_link_of_the_site_leads_to_a_file_in_it(site: Path) -> None:
    """Links to files that are no pages among them: MkDocs looks at those of Markdown only."""
    leading = {
        (page, unquote(address.partition("#")[0]))
        for page in site.rglob("*.html")
        for address in LEADS.findall(read(page))
        if page.name != "404.html" and not address.startswith(("http", "#", "mailto:"))
    }

    assert len(leading) > 500
    assert [(page.name, target) for page, target in leading if not (page.parent / target).exists()] == []


def test_a_picture_and_a_file_beside_the_docs_stand_where_the_repository_has_them(site: Path) -> None:
    for name in ("docs/images/references.svg", "deploy/dagster.yaml"):
        assert (site / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("link", ["nowhere.md", "operations.md#nowhere"], ids=["page", "anchor"])
def test_a_broken_link_breaks_the_build(tmp_path: Path, link: str) -> None:
    source = tmp_path / "source"
    (source / "docs" / "adr").mkdir(parents=True)
    for name in ("site.py", "site.css"):
        shutil.copy(ROOT / "docs" / name, source / "docs")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[0]
    (source / "mkdocs.yml").write_text(config, encoding="utf-8")
    for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "benchmarks/RESULTS", "docs/adr/README"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / f"{name}.md").write_text("# Page\n", encoding="utf-8")
    (source / "docs" / "operations.md").write_text(f"# Operations\n\n[Broken]({link})\n", encoding="utf-8")

    built = build_site(source, tmp_path / "site")

    assert built.returncode == 1
    assert "nowhere" in built.stderr


def read(page: Path) -> str:
    """The text of a page of the site."""
    return page.read_text(encoding="utf-8")
