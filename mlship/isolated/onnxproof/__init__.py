"""Converts a model to ONNX and proves that it answers the same. Run in an environment of its own.

That environment has the libraries that trained the model, a converter and ONNX Runtime, and not
mlship: nothing here imports it. ``python -m onnxproof REQUEST RESULT`` reads one JSON file and
writes another; ``__main__.py`` has their form.
"""
