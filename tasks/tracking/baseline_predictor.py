"""A baseline, a system that the paper compares with, as an MLflow pyfunc. MLflow copies this file beside the model and
runs it to load it.

It sees the logged copies of `schemas` and `model` and the logged requirements, so it must import nothing else.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, P = 216 points, XY = 2.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from model.checksums import verify_checksums
from model.io import load_baseline


class BaselinePredictor(PythonModel):
    """Generates face crops from speech; see model/baselines/inference.py."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights and card.

        Raises: ModelFileError - they are damaged, or not the ones that were logged.
        """
        folder = Path(context.artifacts["baseline"])
        verify_checksums(folder)
        self.translator, self.card = load_baseline(folder)

    # No type hint for model_input: MLflow would take it for a schema, in the signature's place. It warns of that.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: PythonModelContext,
        model_input,  # noqa: ANN001
        params: Any = None,
    ) -> NDArray[np.uint8]:
        """Generate the crops for the speech with the baseline: (T, S, S, 3) uint8, RGB.

        model_input: "pictures" (T, S, S, 3) uint8; "mel" (T, 80, 20), log-mel window of each frame; and one frame or
        more of the face, "reference_pictures" (R, S, S, 3) uint8 with "reference_landmarks" (R, 216, 2) in crop
        pixels.

        Raises: ValueError - shapes that do not fit together, or values that are not finite.
        """
        inputs = {name: np.asarray(values) for name, values in model_input.items()}
        references = inputs["reference_pictures"], inputs["reference_landmarks"]
        return self.translator.generate(inputs["pictures"], inputs["mel"], *references)


set_model(BaselinePredictor())
