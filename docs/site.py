"""`make site`: the docs as a site in which every file stands where it stands in the repository.

MkDocs builds one folder, and the pages link to files beside it: SECURITY.md, deploy/, modules. This hook gives the site
the layout of the repository, so that each link leads to the same file on the code host and in the site. What else the
site is made of stands in mkdocs.yml. https://www.mkdocs.org/user-guide/configuration/#hooks
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES_BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/RESULTS.md")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the decisions to the navigation: each has its page, and the list of them comes first."""
    pages = sorted(Path(config.docs_dir, "adr").glob("[0-9]*.md"))
    names = ["docs/adr/README.md", *(f"docs/adr/{page.name}" for page in pages)]
    config.nav = [*(config.nav or []), {"Decisions": names}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Place docs/ at docs/, and add the pages beside it, whatever file a page links to, and the style."""
    root = Path(config.docs_dir).parent
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    styles = [root / name for name in config.extra_css]
    pages = [*(root / name for name in PAGES_BESIDE), *sorted(Path(config.docs_dir).rglob("*.md"))]
    for path in dict.fromkeys([*pages, *find_linked_files(pages, root=root), *styles]):
        name = path.relative_to(root).as_posix()
        files.append(File(name, str(root), config.site_dir, config.use_directory_urls))
    return files


def find_linked_files(pages: Iterable[Path], *, root: Path) -> Iterator[Path]:
    """The files below `root` that pages link to, and that are no pages themselves."""
    for page in pages:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if path.is_file() and path.is_relative_to(root) and path.suffix != ".md":
                yield path
