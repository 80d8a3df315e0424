"""What an extra of this package brings: whether it is there, and how it gets there. pyproject.toml lists the extras."""

from importlib.util import find_spec


def is_installed(module: str) -> bool:
    """Whether a module can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that the module is part of
        return False


def describe_installation(extra: str) -> str:
    """The command that installs it."""
    return f'pip install "invoice-assets[{extra}]"'
