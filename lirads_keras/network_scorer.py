"""How a trained segmentation network fares on stored patients whom it has not seen."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lirads_keras.config.profile import Profile
from lirads_keras.evaluation.conditions import Condition
from lirads_keras.evaluation.patient_score import score_levels
from lirads_keras.inference.predictors import build_predictor
from lirads_keras.inference.segmentation import predict_levels
from lirads_keras.inference.weights import load_weights
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.run import NetworkFolder
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import SegmentationVariant


class NetworkScorer:
    """A trained segmentation network of a run, at the threshold and minimum volume that its folder has.

    TensorFlow must not have computed in this process with other threads before.

    Args:
        profile: of the run.
        variant: of the network.
        folder: of the network; finished.
        threads: of the prediction.

    Raises:
        InputError: the folder is not finished, its weights are damaged, or the prediction engine is not installed.
    """

    def __init__(self, profile: Profile, variant: SegmentationVariant, folder: NetworkFolder, threads: int) -> None:
        self._profile, self._phases, self._cut = profile, variant.phases, folder.cut
        configure_tensorflow(threads=threads, precision=profile.segmentation.precision)
        model = build_segmentation_network(profile.segmentation, MR_CLASSES, "random", variant.channels)
        load_weights(model, folder.weights)
        self._predictor = build_predictor(model, profile.inference.engine, threads)

    def score(self, study: StoredStudy, conditions: Sequence[Condition]) -> list[dict[str, Any]]:
        """A row a condition: its name as `condition`, its `amount`, and the `Score`."""
        given, rows = read_segmentation_input(study, self._phases), []
        for condition in conditions:
            levels = predict_levels(self._predictor, condition.change(given), study.grid(), self._profile.inference,
                                    batch_size=self._profile.segmentation.prediction_batch_size)
            rows.append({"condition": condition.name, "amount": condition.amount,
                         **score_levels(levels, study, self._cut, self._profile.lesions.choice_iou)})
        return rows
