"""Annotation formats, one a file: text to tiers, and tiers to text."""
