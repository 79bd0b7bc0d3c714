"""One night, step by step: each step is done once, found again on disk, and passes on nothing but records."""
