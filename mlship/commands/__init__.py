"""Pure functions that build the argv of the programs mlship wraps."""
