"""Stage draws: scores the networks of all patients on the further virtual cohorts, and with phases moved, missing or at another time."""
from __future__ import annotations

from typing import TYPE_CHECKING

from draw_parts import DrawPart, draw_groups, list_curve_patients, list_scorings
from stage import run_stage
from stages import Plan

from lirads_keras.evaluation.conditions import list_changes
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import Progress, part_of, tell_count
from lirads_keras.training.queue import take_in_turn
from lirads_keras.variants import SEGMENTATION_VARIANTS

if TYPE_CHECKING:
    from lirads_keras.network_scorer import NetworkScorer


def score_part(plan: Plan, scorer: NetworkScorer, variant: str, part: DrawPart, patients: list[str], progress: Progress) -> None:
    """Scores a variant's network on each patient of a part who was not scored before, and leaves a record of each."""
    identity, folder = _identity(plan, variant), plan.run.draw(part.name)
    changes = list(list_changes(SEGMENTATION_VARIANTS[variant].phases, plan.profile.draws.moved_mm))
    curve_patients = list_curve_patients(plan, part)
    for done, patient_id in enumerate(patients, start=1):
        record = folder.score(variant, patient_id)
        if not record.made_from(identity):
            conditions = [part.condition, *(changes if patient_id in curve_patients else ())]
            record.write(identity, rows=scorer.score(read_stored_study(folder.store(patient_id)), conditions))
        tell_count(progress, "patient", done, len(patients))


def work(plan: Plan, progress: Progress, part: str) -> None:
    if not plan.is_virtual:
        return
    from lirads_keras.network_scorer import NetworkScorer

    scorings = list_scorings(plan)
    patients = {part.name: list(draw_groups(plan, part)) for _, part in scorings}

    def is_finished(scoring: tuple[str, DrawPart]) -> bool:
        variant, part = scoring
        return all(plan.run.draw(part.name).score(variant, patient_id).made_from(_identity(plan, variant)) for patient_id in patients[part.name])

    scorer: NetworkScorer | None = None
    of_variant = None
    for variant, each in take_in_turn(scorings, name=lambda scoring: f"draws-{scoring[0]}-{scoring[1].name}", is_finished=is_finished, locks=plan.run.locks):
        if scorer is None or variant != of_variant:
            scorer, of_variant = NetworkScorer(plan.profile, SEGMENTATION_VARIANTS[variant], plan.run.full(variant), plan.profile.workflow.threads), variant
        before = sum(map(is_finished, scorings))
        tell = part_of(progress, before / len(scorings), (before + 1) / len(scorings), f"{variant}, {each.name}, ")
        score_part(plan, scorer, variant, each, patients[each.name], tell)


def _identity(plan: Plan, variant: str) -> str:
    return f"{plan.digests['draws']}-{variant}"


if __name__ == "__main__":
    run_stage("draws", work)
