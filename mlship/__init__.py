"""mlship: from a trained model to a deployable project that its user owns."""

__version__ = "0.1.0"
