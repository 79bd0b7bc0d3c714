"""The two doors in: training pairs become a corpus version, tonight's items a catalogue version."""
