"""What must be true of every warehouse, on each that can be had: see docs/destinations.md."""
