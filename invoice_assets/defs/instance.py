"""The Dagster instance, for who asks it outside a run: the command line.

What is asked lives with the question. https://docs.dagster.io/deployment/oss/dagster-yaml
"""

from pathlib import Path

from dagster import DagsterInstance

from invoice_assets.settings import Settings, read_variable
from invoice_assets.variables import SettingsError

CONFIGURATION = "dagster.yaml"


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance of DAGSTER_HOME, or else of the folder, where `dagster dev` finds it too; close it afterwards.

    Raises:
        SettingsError: There is neither, or DAGSTER_HOME is no folder.
    """
    if "DAGSTER_HOME" in settings.names_set:
        home = Path(read_variable("DAGSTER_HOME")).expanduser()
        if not (home.is_absolute() and home.is_dir()):
            raise SettingsError(f"DAGSTER_HOME is {str(home)!r}: set it to the whole path of a folder that is there.")
        return DagsterInstance.get()
    if not Path(CONFIGURATION).exists():
        raise SettingsError("DAGSTER_HOME is not set: set it, or run this in the folder that has dagster.yaml.")
    return DagsterInstance.from_config(str(Path.cwd()))
