"""Measurements. Nothing here is asserted: speed is judged by reading what a benchmark prints."""
