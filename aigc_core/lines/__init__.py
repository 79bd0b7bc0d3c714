"""Content lines: those there are, what a source holds, and the draft of a new line."""
