"""The kinds of figures that reports offer, in the order in which they are shown."""

from stablebert.report.figures.base import FigureKind
from stablebert.report.figures.best_of_k import BEST_OF_K
from stablebert.report.figures.bias_ratio import BIAS_RATIO
from stablebert.report.figures.cost import COST_KIND
from stablebert.report.figures.curves import CONVERGENCE
from stablebert.report.figures.depth import DEPTH_KIND
from stablebert.report.figures.differences import DIFFERENCES
from stablebert.report.figures.disagreement import DISAGREEMENT_KIND
from stablebert.report.figures.distribution import DISTRIBUTION
from stablebert.report.figures.heat_map import HEAT_MAP
from stablebert.report.figures.lengths import LENGTH
from stablebert.report.figures.noise import NOISE_KIND
from stablebert.report.figures.rates import RATES_KIND
from stablebert.report.figures.weight_change import WEIGHT_CHANGE

_ALL: tuple[FigureKind, ...] = (
    DISTRIBUTION,
    DIFFERENCES,
    BEST_OF_K,
    DEPTH_KIND,
    CONVERGENCE,
    WEIGHT_CHANGE,
    LENGTH,
    HEAT_MAP,
    RATES_KIND,
    BIAS_RATIO,
    NOISE_KIND,
    DISAGREEMENT_KIND,
    COST_KIND,
)
FIGURES = {kind.name: kind for kind in _ALL}
