"""The service's contract, as tests."""
