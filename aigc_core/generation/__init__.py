"""From a pinned catalogue to a sealed batch of texts."""
