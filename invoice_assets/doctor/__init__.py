"""Looks at the whole chain that loads depend on, and says what to do about what it finds."""
