"""From a catalog row to what Dagster shows of it: asset key, group, kinds, description, table schema.

What an asset does when it is materialised lives in `assets.py`.
https://docs.dagster.io/api/libraries/dagster-dlt
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dagster import (
    AssetKey,
    AssetSpec,
    TableColumn,
    TableColumnConstraints,
    TableConstraints,
    TableSchema,
)

from invoice_assets.defs.dlt_integration import DagsterDltTranslator, DltResourceTranslatorData
from invoice_assets.resource_spec import Column, ResourceSpec

KEY_PREFIX = "invoicing"


def build_asset_key(spec: ResourceSpec) -> AssetKey:
    """`invoicing/<resource>`."""
    return AssetKey([KEY_PREFIX, spec.name])


@dataclass
class InvoicingTranslator(DagsterDltTranslator):
    """Names dlt resources after their catalog rows, and shows the catalog's columns before anything has run."""

    catalog: Mapping[str, ResourceSpec] = field(default_factory=dict)
    dataset: str = "invoicing"
    destination_type: str = "duckdb"

    def get_asset_spec(self, data: DltResourceTranslatorData) -> AssetSpec:
        """The asset spec of the catalog row that the dlt resource is named after."""
        spec = self.catalog[data.resource.name]
        return AssetSpec(
            key=build_asset_key(spec),
            description=_describe(spec),
            group_name=str(spec.cadence),
            kinds={"dlt", self.destination_type, "table"},
            tags={"invoicing/cadence": str(spec.cadence)},
            metadata={
                "primary_key": spec.primary_key,
                "api_path": spec.path,
                "oauth_scopes": ", ".join(sorted(spec.scopes)),
                "dagster/column_schema": build_table_schema(spec),
                "dagster/table_name": f"{self.dataset}.{spec.name}",
            },
        )


def build_table_schema(spec: ResourceSpec) -> TableSchema:
    """The catalog's columns with their types, constraints and descriptions."""
    return TableSchema(
        columns=[_table_column(spec, column) for column in spec.columns],
        constraints=TableConstraints(other=[f"primary key: {spec.primary_key}"]),
    )


def _table_column(spec: ResourceSpec, column: Column) -> TableColumn:
    is_key = column.name == spec.primary_key
    return TableColumn(
        name=column.name,
        type=column.data_type if column.scale is None else f"decimal({column.precision}, {column.scale})",
        description=column.description,
        constraints=TableColumnConstraints(
            nullable=column.nullable, unique=is_key, other=["primary key"] if is_key else []
        ),
    )


def _describe(spec: ResourceSpec) -> str:
    return (
        f"{spec.description}\n\nEach materialization reads `{spec.path}` whole, 200 rows a request, and merges the "
        f"rows into the table on `{spec.primary_key}`. Fields that the catalog does not know arrive as text columns "
        "and are named in the metadata `new_columns`."
    )
