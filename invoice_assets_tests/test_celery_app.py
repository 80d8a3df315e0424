import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
DESCRIBE = """
import json
from invoice_assets.celery_app import app
conf = app.conf
print(json.dumps({
    "broker": conf.broker_url,
    "results": conf.result_backend,
    "visibility_timeout": conf.broker_transport_options["visibility_timeout"],
    "acknowledged_late": conf.task_acks_late and conf.task_reject_on_worker_lost,
    "takes_steps": "execute_plan" in app.tasks,
}))
"""


def load_app(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The app as a worker's process makes it, in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-c", DESCRIBE],
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_takes_dagster_s_steps_and_acknowledges_them_when_they_are_done(tmp_path: Path) -> None:
    loaded = load_app(
        tmp_path, INVOICE_CELERY_BROKER="redis://:secret@127.0.0.1:1/0", INVOICE_CELERY_VISIBILITY_TIMEOUT="900"
    )

    assert json.loads(loaded.stdout) == {
        "broker": "redis://:secret@127.0.0.1:1/0",
        "results": "redis://:secret@127.0.0.1:1/0",
        "visibility_timeout": 900,
        "acknowledged_late": True,
        "takes_steps": True,
    }


def test_a_worker_reads_the_env_file_of_its_folder_as_dagster_does(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("INVOICE_CELERY_BROKER=redis://127.0.0.1:7/3\n")

    assert json.loads(load_app(tmp_path).stdout)["broker"] == "redis://127.0.0.1:7/3"


def test_a_worker_without_a_broker_says_what_to_set(tmp_path: Path) -> None:
    loaded = load_app(tmp_path)

    assert loaded.returncode
    assert "A worker takes its steps from a broker: set INVOICE_CELERY_BROKER" in loaded.stderr
