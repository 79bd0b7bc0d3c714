"""Every check of a text: pure functions over Arrow batches, used by corpus, audit and fine-tuning alike."""
