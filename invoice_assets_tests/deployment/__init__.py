"""A deployment on several hosts: PostgreSQL, Redis, the webserver, the daemon and workers as processes of their own."""
