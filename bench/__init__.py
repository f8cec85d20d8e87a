"""Measures the generated projects against their peers: ``python -m bench``."""
