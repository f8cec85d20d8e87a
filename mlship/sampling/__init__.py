"""A sample of the data: what its columns add to what the model file says of its features."""

from mlship.sampling.refine import refine

__all__ = ["refine"]
