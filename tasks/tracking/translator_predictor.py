"""The landmark translator as an MLflow pyfunc. MLflow copies this file beside the model and runs it to load it.

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
from model.io import load_translator
from model.stage2.inference import TranslatorInference


class TranslatingPredictor(PythonModel):
    """Generates the lower halves of face crops; see model/stage2/translator.py for their geometry."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights and card.

        Raises: ModelFileError - they are damaged, or not the ones that were logged.
        """
        folder = Path(context.artifacts["translator"])
        verify_checksums(folder)
        translator, self.card = load_translator(folder)
        self.translator = TranslatorInference(translator)

    # No type hint for model_input: MLflow would take it for a schema, in the signature's place. It warns of that.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: PythonModelContext,
        model_input,  # noqa: ANN001
        params: Any = None,
    ) -> NDArray[np.float32]:
        """Generate the crops with their lower halves by the landmarks: (T, S, S, 3), RGB in 0..1.

        model_input: "pictures" (T, S, S, 3) uint8 and "source" (T, 216, 2), landmarks as found; "wanted" (T, 216, 2);
        "reference_pictures" (R, S, S, 3) uint8 and "reference_landmarks" (R, 216, 2), one frame or more.

        Raises: ValueError - shapes that do not fit together, or values that are not finite.
        """
        inputs = {name: np.asarray(values) for name, values in model_input.items()}
        appearance = self.translator.appearance(inputs["reference_pictures"], inputs["reference_landmarks"])
        return self.translator.translate(appearance, inputs["pictures"], inputs["source"], inputs["wanted"])


set_model(TranslatingPredictor())
