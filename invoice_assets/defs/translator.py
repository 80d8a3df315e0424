"""From a catalog row to what Dagster shows of it: asset key, group, kinds, description, table schema.

What an asset does when it is materialised lives in `assets.py`.
https://docs.dagster.io/api/libraries/dagster-dlt
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dagster import (
    AssetKey,
    AssetSpec,
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableConstraints,
    TableSchema,
)

from invoice_assets.defs.dlt_integration import DagsterDltTranslator, DltResourceTranslatorData
from invoice_assets.destinations import DestinationSpec
from invoice_assets.resource_spec import DELETED_AT, Cadence, Column, PersonalData, ResourceSpec, qualify
from invoice_assets.settings import Settings

KEY_PREFIX, API_KEY = "invoicing", "invoicing_api"

API_DOCUMENTATION = "https://www.zoho.com/invoice/api/v3/"
"""Where the API is documented, a page for each resource."""

PERSONAL_TAG = "invoicing/personal"
"""Tag of a column that is personal: what becomes of its values."""


def build_asset_key(spec: ResourceSpec) -> AssetKey:
    """`invoicing/<resource>`, or `invoicing/<organisation>/<resource>` where there are several."""
    return AssetKey([KEY_PREFIX, *spec.label.split("/")])


def find_documentation(spec: ResourceSpec) -> str:
    """The address at which the API documents the resource."""
    return f"{API_DOCUMENTATION}{spec.docs_page or spec.name.replace('_', '-')}/"


def build_api_key(organization: str) -> AssetKey:
    """`invoicing_api`, or `invoicing_api/<organisation>`: the API as what all of its tables are read from."""
    return AssetKey([API_KEY, *filter(None, [organization])])


def build_api_spec(settings: Settings) -> AssetSpec:
    """The API of an organisation, which Dagster shows and does not run."""
    return AssetSpec(
        key=build_api_key(settings.slug),
        description="The invoicing API, which all tables are read from. It is not Dagster's to materialize; each load "
        "observes how many requests it took, and how many the day had left.",
        group_name=qualify("source", settings.slug),
        kinds={"api"},
        owners=settings.owners,
        tags=describe_organization(settings.slug),
        metadata={
            "base_url": settings.base_url,
            "organization_id": settings.organization_id,
            "requests_per_minute": settings.requests_per_minute,
            "api_documentation": MetadataValue.url(f"{API_DOCUMENTATION}introduction/"),
        },
    )


@dataclass
class InvoicingTranslator(DagsterDltTranslator):
    """Names dlt resources after their catalog rows, and shows the catalog's columns before anything has run."""

    catalog: Mapping[str, ResourceSpec]
    dataset: str
    destination: DestinationSpec
    owners: tuple[str, ...] = ()

    def get_asset_spec(self, data: DltResourceTranslatorData) -> AssetSpec:
        """The asset spec of the catalog row that the dlt resource is named after."""
        spec = self.catalog[data.resource.name]
        return AssetSpec(
            key=build_asset_key(spec),
            deps=[build_api_key(spec.organization)],
            description=_describe(spec),
            group_name=qualify(str(spec.cadence), spec.organization),
            kinds={"dlt", self.destination.name, "table"},
            owners=self.owners,
            tags=describe_tags(spec.cadence, spec.organization),
            metadata={
                "api_documentation": MetadataValue.url(find_documentation(spec)),
                "primary_key": spec.primary_key,
                "api_path": spec.path,
                "oauth_scopes": ", ".join(sorted(spec.scopes)),
                "personal_data": str(spec.personal_data),
                "personal_columns": ", ".join(column.name for column in spec.personal_columns),
                "dagster/column_schema": build_table_schema(spec),
                "dagster/table_name": f"{qualify(self.dataset, spec.organization)}.{spec.name}",
            },
        )


def describe_tags(cadence: Cadence, organization: str) -> dict[str, str]:
    """The tags by which assets, jobs and runs are found: the cadence, and where there are several the organisation."""
    return {"invoicing/cadence": str(cadence)} | describe_organization(organization)


def describe_organization(organization: str) -> dict[str, str]:
    """The tag of what belongs to an organisation, where there are several."""
    return {"invoicing/organization": organization} if organization else {}


def build_table_schema(spec: ResourceSpec) -> TableSchema:
    """The catalog's columns with their types, constraints and descriptions."""
    columns = [
        build_column(column, personal_data=spec.personal_data, is_key=column.name == spec.primary_key)
        for column in spec.columns
    ]
    return TableSchema(
        columns=[*columns, _DELETED_AT_COLUMN],
        constraints=TableConstraints(other=[f"primary key: {spec.primary_key}"]),
    )


_DELETED_AT_COLUMN = TableColumn(
    name=DELETED_AT,
    type="timestamp",
    description="When a complete read found the row gone from the source; NULL while it is there",
)


def build_column(
    column: Column, *, personal_data: PersonalData = PersonalData.KEEP, is_key: bool = False
) -> TableColumn:
    """A column with its type, constraints and description; a personal one says what becomes of its values."""
    treatment = _TREATMENTS[personal_data] if column.personal else ""
    is_omitted = column.personal and personal_data is PersonalData.OMIT
    return TableColumn(
        name=column.name,
        type=column.type_name,
        description=f"{column.description} ({treatment})" if treatment else column.description,
        constraints=TableColumnConstraints(
            nullable=column.nullable or is_omitted, unique=is_key, other=["primary key"] if is_key else []
        ),
        tags={PERSONAL_TAG: str(personal_data)} if treatment else {},
    )


_TREATMENTS = {
    PersonalData.KEEP: "personal: kept as it is",
    PersonalData.HASH: "personal: a keyed hash",
    PersonalData.OMIT: "personal: left out, always NULL",
}


def _describe(spec: ResourceSpec) -> str:
    return (
        f"{spec.description}\n\n{_READING[spec.cadence].format(path=spec.path)} The rows are merged into the table on "
        f"`{spec.primary_key}`; `{DELETED_AT}` says when a complete read found a row gone. Fields that the catalog "
        "does not know arrive as text columns and are named in the metadata `new_columns`. What the fields mean: "
        f"[the API's documentation]({find_documentation(spec)})."
    )


_READING = {
    Cadence.REFERENCE: "Each materialization reads `{path}` whole, 200 rows a request.",
    Cadence.TRANSACTIONS: (
        "A partition holds the rows of `{path}` whose last change (`last_modified_time`) fell in that day, whatever "
        "date the document bears; the first also holds everything changed before it. All partitions together are a "
        "complete read."
    ),
}
