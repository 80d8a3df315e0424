"""The Dagster instance, for who asks it outside a run: the command line.

What is asked lives with the question. https://docs.dagster.io/deployment/oss/dagster-yaml
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance, DagsterInvalidConfigError
from dagster._check import CheckError
from dagster._config.errors import EvaluationError
from dagster._config.stack import EvaluationStackPathEntry
from yaml import MarkedYAMLError, YAMLError  # type: ignore[import-untyped]

from invoice_assets.errors import PermanentError
from invoice_assets.settings import Settings, read_variable
from invoice_assets.variables import SettingsError

CONFIGURATION = "dagster.yaml"


class UnusableInstanceError(PermanentError):
    """The instance's `dagster.yaml` cannot be read, or Dagster refuses it; the message shows none of its values."""


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance of DAGSTER_HOME, or else of the folder, where `dagster dev` finds it too; close it afterwards.

    Raises:
        SettingsError: There is neither, or DAGSTER_HOME is no folder.
        UnusableInstanceError: Its `dagster.yaml` cannot be used.
    """
    if "DAGSTER_HOME" in settings.names_set:
        home = Path(read_variable("DAGSTER_HOME")).expanduser()
        if not (home.is_absolute() and home.is_dir()):
            raise SettingsError(f"DAGSTER_HOME is {str(home)!r}: set it to the whole path of a folder that is there.")
        with _explaining(home / CONFIGURATION):
            return DagsterInstance.get()
    if not Path(CONFIGURATION).exists():
        raise SettingsError("DAGSTER_HOME is not set: set it, or run this in the folder that has dagster.yaml.")
    with _explaining(Path(CONFIGURATION)):
        return DagsterInstance.from_config(str(Path.cwd()))


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except (YAMLError, UnicodeDecodeError, CheckError, DagsterInvalidConfigError) as error:
        raise UnusableInstanceError(
            f"{path} cannot be used: {_find_reason(error)}. Mend it as "
            "https://docs.dagster.io/deployment/oss/dagster-yaml describes, and set the variables that it reads."
        ) from error


def _find_reason(error: Exception) -> str:
    match error:
        case DagsterInvalidConfigError():
            keys = [key for found in error.errors for key in _name_keys(found)]
            return f"Dagster does not take {', '.join(keys) or 'what it says'}"
        case MarkedYAMLError() if error.problem_mark:
            return f"it is no YAML at line {error.problem_mark.line + 1}"
        case UnicodeDecodeError():
            return "it is no UTF-8"
        case YAMLError():
            return "it is no YAML"
    return "it is no YAML of keys and values"


def _name_keys(found: EvaluationError) -> Iterator[str]:
    """Where in the file something is wrong. A key that is no word is not shown: it may be a value in a wrong place."""
    above = [entry.field_name for entry in found.stack.entries if isinstance(entry, EvaluationStackPathEntry)]
    data = found.error_data
    for last in getattr(data, "field_names", None) or [getattr(data, "field_name", "")]:
        path = [*above, last] if last else above
        if path and all(key.isidentifier() for key in path):
            yield ".".join(path)
