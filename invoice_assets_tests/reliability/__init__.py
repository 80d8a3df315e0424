"""What must hold whatever goes wrong: shared tokens and quota, faults, crashes, concurrency, odd input, secrets.

One module for each of them; what a single production module does is tested at that module's own path.
"""
