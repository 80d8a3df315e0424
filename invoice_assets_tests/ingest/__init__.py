"""Tests of the ingest layer: the sandbox at one end, real tables at the other."""
