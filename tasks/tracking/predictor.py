"""Our models as an MLflow pyfunc. MLflow copies this file beside the model and runs it to load it.

It sees the logged copies of `schemas` and `model` and the logged requirements, so it must import nothing else, and of
`model` only what the logged kind requires.

Shape suffix legend: T = frames, R = reference frames, S = side of a crop in pixels, P = 216 points, XY = 2.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from heterodub.model.checksums import verify_checksums

Inputs = Mapping[str, NDArray[Any]]
Predict = Callable[[Inputs], NDArray[Any]]


def _generator(folder: Path) -> Predict:
    """Predict a clip's landmarks with lips and outline for the speech: (T, 216, 2) in pixels.

    Inputs: "mel" (4T, 80), natural logarithm, with senone scores behind it if the generator reads them (4T, 206);
    "landmarks" (T, 216, 2) in pixels, of which only brows, nose and eyelids are used; "reference" (R, 216, 2) in
    pixels, one frame or more of the same person. See schemas/contract.py.
    """
    from heterodub.model.io import load_generator
    from heterodub.model.stage1.inference import predict_clip

    generator, card = load_generator(folder)
    return lambda inputs: predict_clip(
        generator, inputs["mel"], inputs["landmarks"], inputs["reference"], gain=card.gain
    )


def _translator(folder: Path) -> Predict:
    """Generate the crops with their lower halves by the landmarks: (T, S, S, 3), RGB in 0..1.

    Inputs: "pictures" (T, S, S, 3) uint8 and "source" (T, 216, 2), landmarks as found; "wanted" (T, 216, 2);
    "reference_pictures" (R, S, S, 3) uint8 and "reference_landmarks" (R, 216, 2), one frame or more.
    """
    from heterodub.model.io import load_translator
    from heterodub.model.stage2.inference import TranslatorInference

    translator = TranslatorInference(load_translator(folder)[0])

    def predict(inputs: Inputs) -> NDArray[Any]:
        appearance = translator.appearance(inputs["reference_pictures"], inputs["reference_landmarks"])
        return translator.translate(appearance, inputs["pictures"], inputs["source"], inputs["wanted"])

    return predict


def _baseline(folder: Path) -> Predict:
    """Generate the crops for the speech with the baseline: (T, S, S, 3) uint8, RGB.

    Inputs: "pictures" (T, S, S, 3) uint8; "mel" (T, 80, 20), log-mel window of each frame; and one frame or more of the
    face, "reference_pictures" (R, S, S, 3) uint8 with "reference_landmarks" (R, 216, 2) in crop pixels.
    """
    from heterodub.model.io import load_baseline

    baseline = load_baseline(folder)[0]
    return lambda inputs: baseline.generate(
        inputs["pictures"], inputs["mel"], inputs["reference_pictures"], inputs["reference_landmarks"]
    )


_LOAD: Final[Mapping[str, Callable[[Path], Predict]]] = {
    "generator": _generator,
    "translator": _translator,
    "baseline": _baseline,
}


class ModelPredictor(PythonModel):
    """The one model whose folder was logged as an artifact: a generator, a translator or a baseline."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights and card.

        Raises: ModelFileError - they are damaged, or not the ones that were logged.
        """
        ((inner, folder),) = context.artifacts.items()
        verify_checksums(Path(folder))
        self._predict = _LOAD[inner](Path(folder))

    # No type hint for model_input: MLflow would take it for a schema, in the signature's place. It warns of that.
    def predict(  # type: ignore[no-untyped-def]
        self,
        context: PythonModelContext,
        model_input,  # noqa: ANN001
        params: Any = None,
    ) -> NDArray[Any]:
        """Return the model's output for inputs by name; see the function of its kind above.

        Raises: ValueError - shapes that do not fit together, or values that are not finite.
        """
        return self._predict({name: np.asarray(values) for name, values in model_input.items()})


set_model(ModelPredictor())
