"""The file that names several organisations, each with an API of its own: what a test or a benchmark deploys.

What such a file may say is tested in `test_organizations.py`.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from invoice_assets_tests.sandbox.background import HOST
from invoice_assets_tests.sandbox.server import Sandbox

SECRETS = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")


def describe_organizations(sandboxes: Mapping[str, Sandbox], path: Path, *, zones: Mapping[str, str]) -> dict[str, str]:
    """Write the file for sandboxes by slug; the variables that name it and hold the credentials of each.

    They are named as on loopback, where alone the project sends secrets without TLS.
    """
    tables, variables = [], {"INVOICE_ORGANIZATIONS": str(path)}
    for slug, sandbox in sandboxes.items():
        own = sandbox.environment()
        tables.append(
            f"[{slug}]\n"
            f'organization_id = "{sandbox.organization_id}"\n'
            f'base_url = "{_on_loopback(own["INVOICE_API_BASE_URL"])}"\n'
            f'token_url = "{_on_loopback(own["INVOICE_API_TOKEN_URL"])}"\n'
            f'time_zone = "{zones[slug]}"\n'
            f'credentials = "env:{slug.upper()}"\n'
        )
        variables |= {f"{slug.upper()}_{part}": own[f"INVOICE_API_{part}"] for part in SECRETS}
    path.write_text("\n".join(tables), encoding="utf-8")
    return variables


def _on_loopback(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{HOST}:{parts.port}").geturl()
