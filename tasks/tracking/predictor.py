"""The landmark generator as an MLflow pyfunc. MLflow copies this file beside the model and runs it to load it.

It sees the logged copies of `schemas` and `model` and the logged requirements, so it must import nothing else.

Shape suffix legend: T = frames, R = reference frames, C = mel columns (4T), M = 80 mel bands, P = 216 points, XY = 2.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from model.checksums import verify_checksums
from model.io import load_generator
from model.stage1.inference import predict_clip


class LandmarkPredictor(PythonModel):
    """Predicts a clip's landmarks; see schemas/contract.py for rates, mel window and landmark points."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights and card.

        Raises: ModelFileError - they are damaged, or not the ones that were logged.
        """
        folder = Path(context.artifacts["generator"])
        verify_checksums(folder)
        self.generator, self.card = load_generator(folder)

    # No type hint for model_input: MLflow would take it for a schema, in the signature's place. It warns of that.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: PythonModelContext,
        model_input,  # noqa: ANN001
        params: Any = None,
    ) -> NDArray[np.float32]:
        """Predict a clip's landmarks with lips and outline for the speech: (T, 216, 2) in pixels.

        model_input: "mel" (4T, 80), natural logarithm; "landmarks" (T, 216, 2) in pixels, of which only brows, nose
        and eyelids are used; "reference" (R, 216, 2) in pixels, one frame or more of the same person.

        Raises: ValueError - shapes that do not fit together, or values that are not finite.
        """
        return predict_clip(
            self.generator,
            np.asarray(model_input["mel"]),
            np.asarray(model_input["landmarks"]),
            np.asarray(model_input["reference"]),
            gain=self.card.gain,
        )


set_model(LandmarkPredictor())
