"""The kinds of figures that reports offer, in the order in which they are shown."""

from stablebert.report.figures.base import FigureKind
from stablebert.report.figures.best_of_k import BEST_OF_K
from stablebert.report.figures.cost import COST_KIND
from stablebert.report.figures.depth import DEPTH_KIND
from stablebert.report.figures.differences import DIFFERENCES
from stablebert.report.figures.disagreement import DISAGREEMENT_KIND
from stablebert.report.figures.distribution import DISTRIBUTION
from stablebert.report.figures.heat_map import HEAT_MAP
from stablebert.report.figures.noise import NOISE_KIND
from stablebert.report.figures.rates import RATES_KIND

_ALL: tuple[FigureKind, ...] = (
    DISTRIBUTION,
    DIFFERENCES,
    BEST_OF_K,
    DEPTH_KIND,
    HEAT_MAP,
    RATES_KIND,
    NOISE_KIND,
    DISAGREEMENT_KIND,
    COST_KIND,
)
FIGURES = {kind.name: kind for kind in _ALL}
