"""Compares how far two models are off on the same pictures. The trainer uses it as well."""

import math
from typing import NamedTuple, Sequence

_STRETCHES = 20  # of a drive


class Paired(NamedTuple):
    difference: float  # of the mean errors: positive if the first ones are larger
    standard_error: float

    def is_above(self, standard_errors: float) -> bool:
        """Whether the first errors are larger, by more than chance explains."""
        return self.difference > standard_errors * self.standard_error


def compare_errors(errors: Sequence[float], others: Sequence[float]) -> Paired:
    """The mean difference and its standard error.

    Neighbouring pictures look alike, and so do their errors. Treating each as independent would make chance
    look like certainty, so the standard error is that of the means of twenty stretches of the drive.

    Args:
        errors, others: of the same pictures, in the order they were driven; at least two.
    """
    differences = [error - other for error, other in zip(errors, others)]
    count = min(_STRETCHES, len(differences))
    ends = [len(differences) * number // count for number in range(count + 1)]
    means = [mean(differences[start:end]) for start, end in zip(ends, ends[1:])]
    middle = mean(means)
    variance = sum((value - middle) ** 2 for value in means) / (count - 1)
    return Paired(mean(differences), math.sqrt(variance / count))


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
