"""The parts of the soak, which `benchmarks/soak.py` puts together."""
