"""One dlt pipeline per resource, and what a load of it tells afterwards.

The rows come from `source.py`, the destination from `warehouse.py`. https://dlthub.com/docs/general-usage/pipeline
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import dlt
from dlt.common.destination import Destination
from dlt.pipeline.pipeline import Pipeline

from invoice_assets.resource_spec import ResourceSpec


@contextmanager
def open_pipeline(spec: ResourceSpec, *, destination: Destination[Any, Any], dataset: str) -> Iterator[Pipeline]:
    """A pipeline for one load of the resource, gone with its working files when the context closes.

    Its folder is private, so that two runs of one asset do not share one, and no package of a run that died is left
    for a later one to load instead of its own data. It keeps no state of dlt's in the destination: what is loaded next
    is decided by Dagster.
    """
    logging.getLogger("dlt").addFilter(_is_worth_reading)
    with TemporaryDirectory(prefix=f"{spec.name}-") as folder:
        pipeline = dlt.pipeline(
            pipeline_name=f"{dataset}_{spec.name}",
            pipelines_dir=folder,
            destination=destination,
            dataset_name=dataset,
        )
        pipeline.config.restore_from_destination = False
        try:
            yield pipeline
        finally:
            if pipeline.is_active:
                pipeline.deactivate()


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """False for dlt's word, once a batch, that JSON travels as Arrow text: it is meant to."""
    return "when merging arrow schema with dlt schema, several column hints were different" not in record.getMessage()


def measure_stages(pipeline: Pipeline) -> dict[str, float]:
    """Seconds that each stage of the pipeline's last run took: extract, normalize, load."""
    trace = pipeline.last_trace
    steps = trace.steps if trace else []
    return {
        step.step: round((step.finished_at - step.started_at).total_seconds(), 3)
        for step in steps
        if step.step in ("extract", "normalize", "load") and step.finished_at
    }
