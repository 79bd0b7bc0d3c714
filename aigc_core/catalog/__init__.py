"""The published shelf: put on it, read from it."""
