"""A rollout: what the cluster says of it, and why it does not finish."""
