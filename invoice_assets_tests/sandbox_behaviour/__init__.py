"""Tests of the sandbox itself, over real HTTP: each rule of docs/api.md that it imitates, and each of its faults."""
