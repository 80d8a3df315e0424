"""The admin paths and the command line."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from invoice_assets_tests.sandbox.environment_file import is_left_over, write_environment_file
from invoice_assets_tests.sandbox_behaviour.client import TIMEOUT_S, Client
from invoice_assets_tests.sandbox_behaviour.conftest import OpenSandbox

PROJECT = Path(__file__).parents[2]


def _admin(client: Client, method: str, path: str, order: dict[str, Any] | None = None) -> requests.Response:
    return requests.request(method, f"{client.sandbox.base_url}/_sandbox/{path}", json=order, timeout=TIMEOUT_S)


def test_health_and_counts_need_no_token_and_leave_no_ledger_entry(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox({"items": 3})

    assert _admin(client, "GET", "health").json() == {"status": "ok"}
    assert _admin(client, "GET", "counts").json()["items"] == 3
    assert _admin(client, "GET", "ledger").json() == []


def test_the_ledger_can_be_read_and_cleared(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.get("items")

    assert [entry["resource"] for entry in _admin(client, "GET", "ledger").json()] == [None, "items"]
    _admin(client, "DELETE", "ledger")
    assert _admin(client, "GET", "ledger").json() == []


def test_faults_can_be_added_listed_and_cleared(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    _admin(client, "POST", "faults", {"name": "too_many_requests_44", "resource": "items", "retry_after": 3})

    assert client.get("items").headers["Retry-After"] == "3"
    assert _admin(client, "GET", "faults").json()[0]["resource"] == "items"
    _admin(client, "DELETE", "faults")
    assert client.get("items").status_code == 200


def test_a_grant_code_can_be_had_as_the_console_of_the_vendor_shows_it(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)

    code = _admin(client, "POST", "grant_code").json()["result"]

    assert "refresh_token" in client.request_token(grant_type="authorization_code", code=code).json()


def test_rows_can_be_changed(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox({"items": 1})
    inserted = _admin(client, "POST", "mutate", {"action": "insert", "resource": "items", "changes": {"name": "new"}})
    key = inserted.json()["result"]["item_id"]
    order = {"resource": "items", "key": key}

    _admin(client, "POST", "mutate", {**order, "action": "edit", "changes": {"name": "edited"}})
    _admin(client, "POST", "mutate", {**order, "action": "set_silently", "changes": {"unit": "silent"}})
    _admin(client, "POST", "mutate", {"action": "add_field", "resource": "items", "name": "cf_x", "value": 1})
    row = next(row for row in client.sandbox.rows("items") if row["item_id"] == key)
    _admin(client, "POST", "mutate", {**order, "action": "delete"})

    assert (row["name"], row["unit"], row["cf_x"]) == ("edited", "silent", 1)
    assert client.sandbox.count("items") == 1


def test_tokens_can_be_revoked(open_sandbox: OpenSandbox) -> None:
    client = open_sandbox(0)
    client.get("items")
    _admin(client, "POST", "revoke", {"what": "access_tokens"})
    _admin(client, "POST", "revoke", {"what": "refresh_token"})

    assert client.get("items").json()["code"] == 57
    assert client.request_token().json() == {"error": "invalid_code"}


@pytest.mark.parametrize(
    ("path", "order"),
    [
        pytest.param("faults", {"name": "gremlins"}, id="unknown-fault"),
        pytest.param("faults", {"name": "hang", "colour": "blue"}, id="unknown-parameter"),
        pytest.param("mutate", {"action": "edit", "resource": "nothing"}, id="unknown-resource"),
        pytest.param("revoke", {}, id="nothing-named"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_400_with_the_reason(
    open_sandbox: OpenSandbox, path: str, order: dict[str, Any]
) -> None:
    answer = _admin(open_sandbox(0), "POST", path, order)

    assert answer.status_code == 400
    assert answer.json()["error"]


# --- python -m invoice_assets_tests.sandbox


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the command; yields it with the lines that it printed up to its .env."""
    command = [sys.executable, "-m", "invoice_assets_tests.sandbox", "--rows", "3", *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            while not lines or "INVOICE_START_DATE" not in lines[-1]:
                line = process.stdout.readline()
                assert line, "the sandbox ended before it was ready"
                lines.append(line.rstrip("\n"))
            yield process, lines
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_the_command_prints_a_ready_made_env_and_ends_cleanly(number: signal.Signals) -> None:
    with _running("--port", "0") as (process, lines):
        variables = dict(line.split("=", 1) for line in lines if line.startswith("INVOICE_"))
        health = requests.get(
            variables["INVOICE_API_TOKEN_URL"].replace("/oauth/v2/token", "/_sandbox/health"), timeout=TIMEOUT_S
        )
        process.send_signal(number)

        assert process.wait(TIMEOUT_S) == 0

    assert health.status_code == 200
    assert variables["INVOICE_API_REQUESTS_PER_MINUTE"] == "100"


def test_an_occupied_port_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        with _running("--port", str(port)) as (_, lines):
            assert "occupied" in lines[0]
            assert f":{port}/" not in "".join(lines[1:])


def test_the_env_file_is_private_and_names_the_sandbox_where_that_takes_nothing_from_anybody(tmp_path: Path) -> None:
    new, own, foreign, real = (tmp_path / f"{name}.env" for name in ("new", "own", "foreign", "real"))
    for path, address in ((own, "http://127.0.0.1:1/"), (real, "https://www.zohoapis.eu/invoice/v3/")):
        write_environment_file(path, {"INVOICE_API_BASE_URL": address})
        path.write_text(path.read_text() + "MINE=1\n")
    own.chmod(0o644)
    foreign.write_text("INVOICE_API_BASE_URL=http://127.0.0.1:1/\n")
    assert not write_environment_file(foreign, {"INVOICE_API_BASE_URL": "http://127.0.0.1:1/"})

    for path, said in ((new, "Wrote"), (own, "Wrote"), (foreign, "Left"), (real, "Left")):
        before = path.read_text() if said == "Left" else ""
        with _running("--port", "0", "--env-file", str(path)) as (_, lines):
            assert any(line.startswith(f"{said} {path}") for line in lines)
            assert not is_left_over(path)
        assert is_left_over(path) is (said == "Wrote")
        assert before in ("", path.read_text())

    assert "MINE=1\n" in own.read_text()
    assert stat.S_IMODE(os.stat(own).st_mode) == 0o600
