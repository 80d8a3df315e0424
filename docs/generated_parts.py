"""Parts of a page that are made: each stands between two markers of its own, `<!-- name -->` … `<!-- /name -->`.

Who makes which part lives in `catalog_tables.py`, `fault_tables.py` and `metric_tables.py`; `make docs` writes all.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def replace_part(text: str, name: str, part: str) -> str:
    """The text of a page with this part made anew.

    Raises:
        ValueError: The page has no markers of that name to write between.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no <!-- {name} --> … <!-- /{name} --> to write between")
    return pattern.sub(lambda found: found[1] + part + found[2], text)
