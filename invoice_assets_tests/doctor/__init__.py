"""Tests of the examination: what is found where something is wrong, and where nothing is."""
