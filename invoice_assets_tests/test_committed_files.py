"""No secret is committed: the files that git tracks, searched for the kinds of secrets that this project deals with.

Why this and no scanner: docs/adr/0019. A secret in a test says that it is none, in a word of `MADE_UP`.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MADE_UP = r"(?i:nobody|planted|s3cret|pa55|password|unused|example|\{)"
KINDS = {
    "API token": r"\b1000\.[0-9a-f]{32}\.[0-9a-f]{32}\b",
    "value of a variable": r"^\W*(?:export )?INVOICE_\w*_(?:SECRET|TOKEN|KEY|CLIENT_ID)=['\"]?([^\s'\"#…$<]{6,})",
    "password in an address": r"\b[a-z][a-z0-9+]*://[^\s:/@'\"]+:([^\s:/@'\"]{4,})@\w",
    "long hexadecimal secret": r"(?i:secret|token|password|key)\b[\"']?\s*[:=]\s*[\"']?([0-9a-f]{32,})\b",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "cloud access key": r"\bAKIA[0-9A-Z]{16}\b",
    "Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}",
}


def find_secrets(text: str) -> list[str]:
    """The kinds of secrets in the text, each with its line; never the secret."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {kind}"
        for kind, pattern in KINDS.items()
        for found in re.finditer(pattern, text, re.MULTILINE)
        if not re.search(MADE_UP, found[found.lastindex or 0])
    ]


def test_no_secret_is_committed() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in tracked.split("\0") if name]

    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file()}

    assert {str(path): found for path, text in texts.items() if (found := find_secrets(text))} == {}
    assert ROOT / ".env.example" in texts


def test_files_of_secrets_and_of_rows_are_left_out_of_git() -> None:
    """The places that the docs tell people to put secrets and rows in."""
    names = [
        ".env",
        ".dlt/secrets.toml",
        "grant.txt",
        "secret.yaml",
        "data/state/tokens-1.sqlite",
        "other.duckdb",
        "other.duckdb.wal",
    ]

    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ignored.stdout.split() == names


DIGITS = "8f14e45fceea167a" * 2


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(f"Authorization: Zoho-oauthtoken 1000.{DIGITS}.{DIGITS}", id="access-token"),
        pytest.param(f"INVOICE_API_REFRESH_TOKEN=1000.{DIGITS}.{DIGITS}", id="refresh-token"),
        pytest.param(f"\nINVOICE_API_CLIENT_SECRET={DIGITS}", id="variable"),
        pytest.param(f"# export INVOICE_PERSONAL_DATA_KEY='{DIGITS}'", id="variable-commented-out"),
        pytest.param(f"client_secret: {DIGITS}", id="YAML"),
        pytest.param(f'"refresh_token": "{DIGITS}"', id="JSON"),
        pytest.param(f"postgresql://loader:{DIGITS}@10.0.0.7/warehouse", id="database"),
        pytest.param("-----BEGIN EC " + "PRIVATE KEY-----", id="private-key"),
        pytest.param("AKIA" + "IOSFODNN7ABCDEFG", id="cloud"),
        pytest.param("https://hooks.slack.com/services/T0123456789/B0123456789/" + DIGITS, id="Slack"),
    ],
)
def test_a_secret_would_be_found_and_not_shown(leak: str) -> None:
    found = find_secrets(f"first line\n{leak}\n")

    assert found != []
    assert DIGITS not in str(found)
