"""What writes and scores texts, behind small protocols."""
