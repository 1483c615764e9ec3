from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.errors import InputError
from lirads_keras.preprocessing.sampling import SliceOrder, list_centre_slices, list_lesion_slices


@dataclass(frozen=True)
class Study:
    """What the order needs of a stored study."""

    patient_id: str
    shape: tuple[int, int, int]
    lesion_slices: tuple[int, ...] = ()


def make_order(studies, *, batch_size=4, sampling="uniform", lesion_fraction=0.5, seed=7, stream=0):
    return SliceOrder(studies, batch_size=batch_size, seed=seed, stream=stream, sampling=sampling, lesion_fraction=lesion_fraction)


def pairs(order, batches):
    return [(sample.study.patient_id, sample.z) for number in batches for sample in order.batch(number)]


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(1, 6), st.integers(0, 2**40), st.integers(0, 20))
def test_every_sample_comes_equally_often(sizes, batch_size, seed, stream):
    studies = [Study(f"P{k}", (size, 8, 8)) for k, size in enumerate(sizes)]
    expected = {(study.patient_id, z) for study in studies for z in range(1, study.shape[0] - 1)}
    if not expected:
        with pytest.raises(InputError, match="at least 3 slices"):
            make_order(studies)
        return
    order = make_order(studies, batch_size=batch_size, seed=seed, stream=stream)
    assert order.samples == len(expected) == sum(max(size - 2, 0) for size in sizes)
    seen = pairs(order, range(3 * order.samples // batch_size + 1))
    for cycle in range(3):
        assert set(seen[cycle * order.samples:(cycle + 1) * order.samples]) == expected
    counts = Counter(seen)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_cycles_come_in_different_orders():
    order = make_order([Study("P", (42, 8, 8))], batch_size=40)
    assert pairs(order, [0]) != pairs(order, [1]) and sorted(pairs(order, [0])) == sorted(pairs(order, [1]))


def test_a_batch_depends_on_seed_stream_and_number_alone():
    studies = [Study(f"P{k}", (12, 8, 8), (3, 4)) for k in range(4)]
    for sampling in ("uniform", "lesion_oversampled", "patient_balanced"):
        order = make_order(studies, sampling=sampling)
        forwards = {number: pairs(order, [number]) for number in range(30)}
        again = make_order(studies[::-1], sampling=sampling)
        assert {number: pairs(again, [number]) for number in reversed(range(30))} == forwards
        assert pairs(make_order(studies, sampling=sampling, stream=1), range(30)) != pairs(order, range(30))
        assert pairs(make_order(studies, sampling=sampling, seed=8), range(30)) != pairs(order, range(30))


def test_positions_count_samples():
    order = make_order([Study("P", (20, 8, 8))], batch_size=5)
    assert [sample.position for number in range(3) for sample in order.batch(number)] == list(range(15))


@pytest.mark.parametrize(("batch_size", "fraction", "lesions"), [(8, 0.5, 4), (4, 0.3, 1), (2, 0.0, 0), (3, 1.0, 3)])
def test_the_first_entries_of_a_batch_run_through_the_lesion_slices(batch_size, fraction, lesions):
    studies = [Study("A", (12, 8, 8), (0, 3, 4)), Study("B", (12, 8, 8)), Study("C", (12, 8, 8), (7, 11))]
    order = make_order(studies, batch_size=batch_size, sampling="lesion_oversampled", lesion_fraction=fraction)
    batches = [order.batch(number) for number in range(60)]
    for batch in batches:
        assert [sample.must_show_lesion for sample in batch] == [True] * lesions + [False] * (batch_size - lesions)
    drawn = [(sample.study.patient_id, sample.z) for batch in batches for sample in batch if sample.must_show_lesion]
    # Slices 0 and 11 lack a neighbour.
    assert set(drawn) == ({("A", 3), ("A", 4), ("C", 7)} if lesions else set())
    for start in range(0, len(drawn) - 2, 3):
        assert len(set(drawn[start:start + 3])) == 3
    rest = [(sample.study.patient_id, sample.z) for batch in batches for sample in batch if not sample.must_show_lesion]
    if rest:
        counts = Counter(rest)
        assert len(counts) == 30 and max(counts.values()) - min(counts.values()) <= 1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2**40))
def test_balanced_patients_come_equally_often_and_so_do_their_slices(lesions, seed):
    studies = [Study(f"P{k}", (12, 8, 8), tuple(range(1, 1 + count))) for k, count in enumerate(lesions)]
    with_lesion = sum(count > 0 for count in lesions)
    if not with_lesion:
        with pytest.raises(InputError, match="as sampling is patient_balanced"):
            make_order(studies, sampling="patient_balanced")
        return
    order = make_order(studies, batch_size=2, seed=seed, sampling="patient_balanced")
    visits = 9 * 8
    samples = [order.batch(number)[0] for number in range(visits * with_lesion)]
    assert all(sample.must_show_lesion and sample.z in sample.study.lesion_slices for sample in samples)
    for visit in range(visits):
        assert len({sample.study.patient_id for sample in samples[visit * with_lesion:(visit + 1) * with_lesion]}) == with_lesion
    counts = Counter((sample.study.patient_id, sample.z) for sample in samples)
    for study in studies:
        of_patient = [counts[study.patient_id, z] for z in study.lesion_slices]
        assert not of_patient or (sum(of_patient) == visits and max(of_patient) - min(of_patient) <= 1)


def test_balanced_patients_come_in_another_order_each_time():
    studies = [Study(f"P{k}", (12, 8, 8), (3, 4)) for k in range(12)]
    order = make_order(studies, batch_size=24, sampling="patient_balanced")
    rounds = [tuple(sample.study.patient_id for sample in order.batch(number)[:12]) for number in range(5)]
    assert len(set(rounds)) == 5


@pytest.mark.parametrize("sampling", ["lesion_oversampled", "patient_balanced"])
def test_oversampling_without_a_lesion_is_refused(sampling):
    with pytest.raises(InputError, match="a slice with a lesion"):
        make_order([Study("A", (12, 8, 8), (0, 11))], sampling=sampling)


def test_slices_are_listed_in_order():
    studies = [Study("A", (4, 8, 8), (0, 1)), Study("B", (2, 8, 8), (0,)), Study("C", (3, 8, 8), (1,))]
    assert list_centre_slices(studies).tolist() == [[0, 1], [0, 2], [2, 1]]
    assert list_lesion_slices(studies).tolist() == [[0, 1], [2, 1]]
