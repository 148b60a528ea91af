"""Linear models on standardised features: as a bundle holds them, and many of them as one matrix."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.arrays import FloatArray


class Linear(BaseModel):
    """A linear model on standardised features; a missing feature counts as its training mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    """One row per output."""
    intercepts: tuple[float, ...]

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Outputs of shape (rows, outputs)."""
        return LinearStack([[(1.0, self, output)] for output in range(len(self.intercepts))], rows.shape[1])(rows)


Term = tuple[float, Linear, int]
"""A weight, a model, and which of its outputs."""


class LinearStack:
    """Columns that are weighted sums of linear models' outputs, folded into one matrix when a bundle is loaded."""

    def __init__(self, columns: Sequence[Sequence[Term]], width: int) -> None:
        """``width`` is the number of features."""
        standards = list(dict.fromkeys((linear.means, linear.scales) for column in columns for _, linear, _ in column))
        self._copies, self._width = len(standards), width
        self._means = np.array([means for means, _ in standards]).ravel()
        self._scales = np.array([scales for _, scales in standards]).ravel()
        self._matrix, self._intercepts = np.zeros((len(standards) * width, len(columns))), np.zeros(len(columns))
        for place, column in enumerate(columns):
            for weight, linear, output in column:
                first = standards.index((linear.means, linear.scales)) * width
                self._matrix[first : first + width, place] += weight * np.array(linear.coefficients[output])
                self._intercepts[place] += weight * linear.intercepts[output]

    def __call__(self, table: FloatArray) -> FloatArray:
        """The columns, shape (games, columns), of feature rows of shape (games, features)."""
        # Row by row, inside numpy: in a product of two matrices the rounding of a row depends on the number of rows.
        return np.asarray((self._standardised(table)[:, None] @ self._matrix)[:, 0] + self._intercepts)

    def difference(self, table: FloatArray, column: int, other: int) -> tuple[FloatArray, float]:
        """What each feature of one row adds to ``column - other``, shape (features,), and its value for a mean row."""
        terms = self._standardised(table)[0] * (self._matrix[:, column] - self._matrix[:, other])
        return terms.reshape(self._copies, self._width).sum(axis=0), self._intercepts[column] - self._intercepts[other]

    def _standardised(self, table: FloatArray) -> FloatArray:
        """Distances from the training mean in deviations, once for each way of standardising; 0 for a missing value."""
        repeated = table if self._copies == 1 else np.tile(table, self._copies)
        standardised = (repeated - self._means) / self._scales
        return np.where(np.isnan(standardised), 0.0, standardised)
