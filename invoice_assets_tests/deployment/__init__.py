"""A deployment on several machines, as `deploy/` describes it, started here for real."""
