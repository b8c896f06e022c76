"""Observers of a run: what a person or a machine sees of it. Each fails alone."""
