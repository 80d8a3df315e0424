"""What must hold whatever goes wrong: shared tokens and quota, faults, crashes, histories, odd input, secrets.

One module for each of them; what a single production module does is tested at that module's own path.
"""
