"""`telemetry/recorder.py`: where no metrics are wanted there is nothing, not even OpenTelemetry in the process."""

import subprocess
import sys

from invoice_assets.telemetry.metrics import METRICS
from invoice_assets.telemetry.recorder import UNRECORDED

IMPORT_ALL_OF_A_LOAD = """
import sys
import invoice_assets.definitions, invoice_assets.defs.loads
print([name for name in sys.modules if name.startswith(("opentelemetry", "pythonjsonlogger"))])
"""


def test_a_recorder_that_nobody_reads_takes_every_measurement() -> None:
    bound = UNRECORDED.bind(organization="acme", resource="taxes")

    for metric in METRICS:
        bound.record(metric, 1.5, status="200")

    assert bound is UNRECORDED


def test_a_load_without_a_collector_imports_nothing_of_opentelemetry() -> None:
    command = [sys.executable, "-W", "ignore", "-c", IMPORT_ALL_OF_A_LOAD]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.strip() == "[]"
