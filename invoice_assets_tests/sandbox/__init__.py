"""The sandbox: a stand-in for the invoicing API, its faults included.

What it imitates is written down in docs/api.md. It never imports the production package: a stand-in derived from the
catalog would agree with every mistake in it. Start reading at `server.py`; its own tests are in `sandbox_behaviour`.
"""
