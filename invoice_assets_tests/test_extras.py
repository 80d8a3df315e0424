import pytest

from invoice_assets.extras import describe_installation, is_installed


@pytest.mark.parametrize(
    ("module", "expected"),
    [("json", True), ("xml.dom", True), ("no_such_package", False), ("no_such_package.part", False)],
)
def test_a_module_is_looked_for_without_being_imported(module: str, expected: bool) -> None:
    assert is_installed(module) is expected


def test_the_command_names_the_extra() -> None:
    assert describe_installation("delta") == 'pip install "invoice-assets[delta]"'
