"""Writes an MLflow model that answers labels and probabilities; it alone would answer labels."""

import sys

import mlflow
import predictor


class Model(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
    """Rows in, labels and probabilities out."""

    def load_context(self, context):  # type: ignore[no-untyped-def]
        """Load the model, in the server."""
        import predictor

        self.model = predictor.load()

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Predict every row."""
        import predictor

        return predictor.answer(*self.model(model_input))


assert predictor.CARD
mlflow.pyfunc.save_model(sys.argv[1], python_model=Model())
