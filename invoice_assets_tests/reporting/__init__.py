"""Tests of the reports: the views' figures against the source's rows, and how they are drawn."""
