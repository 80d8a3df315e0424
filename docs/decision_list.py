"""`make docs`: the list of decisions, from the titles of their pages, written into docs/adr/README.md."""

from pathlib import Path

from docs.generated_parts import ROOT, replace_part

PAGE = ROOT / "docs" / "adr" / "README.md"


def render_decisions(folder: Path) -> str:
    """A line for each decision of the folder, in the order of their numbers."""
    return "".join(f"{_read_title(page)}\n" for page in sorted(folder.glob("[0-9]*.md")))


def replace_list(text: str) -> str:
    """The text of the page with its list made anew."""
    return replace_part(text, "decisions", "\n" + render_decisions(PAGE.parent) + "\n")


def _read_title(page: Path) -> str:
    number, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
    return f"{number}. [{title}]({page.name})"


if __name__ == "__main__":
    PAGE.write_text(replace_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
