"""The one door to Dagster's dlt integration, which the project's owner fixed as dagster-embedded-elt.

Upstream has renamed that package to dagster-dlt and warns whoever imports it; that warning is about the name and is
silenced here, and nowhere else. https://docs.dagster.io/integrations/libraries/dlt
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r".*`dagster-embedded-elt` library.*")
    from dagster_embedded_elt.dlt import DagsterDltResource, DagsterDltTranslator

from dagster_dlt.translator import DltResourceTranslatorData
from dlt.common.warnings import DltDeprecationWarning

# dagster-dlt 0.29.1 calls by its old name what dlt 1.30 renamed to abort_packages, once a load.
warnings.filterwarnings("ignore", message="drop_pending_packages is deprecated", category=DltDeprecationWarning)

__all__ = ["DagsterDltResource", "DagsterDltTranslator", "DltResourceTranslatorData"]
