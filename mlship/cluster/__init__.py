"""A project on a cluster: which one, how it gets there, what of it is there, and away."""
