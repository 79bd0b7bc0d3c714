"""Bytes that last: files, run folders, models and Delta tables. Local disk; every write is atomic."""
