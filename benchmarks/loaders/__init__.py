"""What is measured, beside the peers: each module is a process that loads once, into BENCHMARK_DATABASE.

How they are told of the API, and how they say that they are ready, is in `peers/access.py` and `peers/readiness.py`.
"""
