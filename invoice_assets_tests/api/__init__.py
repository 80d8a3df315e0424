"""Tests of the API layer over real HTTP: tokens, sessions, retries, pacing, envelopes and errors."""
