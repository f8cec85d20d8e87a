"""MLServer's custom runtime, for models that its scikit-learn runtime does not read."""

import predictor
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    """Rows in, labels and probabilities out, in MLServer's own arrays."""

    async def load(self) -> bool:
        """Load the model."""
        self.model = predictor.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Predict the rows of the (batched) request."""
        labels, scores = self.model(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [
            NumpyCodec.encode_output("predict", labels.reshape(-1, 1)),
            NumpyCodec.encode_output("predict_proba", scores),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
