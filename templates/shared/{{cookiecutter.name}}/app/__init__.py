"""The service around the model."""
