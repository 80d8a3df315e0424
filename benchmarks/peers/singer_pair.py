"""`tap | target`: the tap of `singer_tap.py` piped into target-duckdb, as a shell or Meltano would do it.

The target is the package target-duckdb, on its defaults. Its messages of state go nowhere: a complete read needs none.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.access import SCHEMA, Access
from benchmarks.peers.readiness import announced_load

TAP_MODULE = "benchmarks.peers.singer_tap"


def main() -> int:
    """Run both to their ends; returns 0 where both did."""
    access = Access.from_env()
    tap_config = {name: value for name, value in vars(access).items() if name != "database"}
    target_config = {"path": access.database, "default_target_schema": SCHEMA, "temp_dir": str(Path.cwd())}
    tap_command = [sys.executable, "-m", TAP_MODULE, "--config", _write_config("tap", tap_config)]
    target = str(Path(sys.executable).with_name("target-duckdb"))
    target_command = [target, "--config", _write_config("target", target_config)]
    with announced_load(), subprocess.Popen(tap_command, stdout=subprocess.PIPE) as tap:
        written = subprocess.run(target_command, stdin=tap.stdout, stdout=subprocess.DEVNULL, check=False)
    return int(tap.returncode != 0 or written.returncode != 0)


def _write_config(name: str, config: dict[str, str]) -> str:
    path = Path(f"{name}.json")
    path.write_text(json.dumps(config))
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
