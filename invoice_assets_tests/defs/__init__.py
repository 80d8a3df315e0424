"""Tests of the Dagster layer: real runs of real definitions."""
