"""Batch generation of content you can publish."""
