"""The analyses that reports offer, in the order in which they are shown."""

from stablebert.config.values import did_you_mean
from stablebert.report.analyses.cost import COST
from stablebert.report.analyses.disagreement import DISAGREEMENT
from stablebert.report.analyses.equivalence import EQUIVALENCE
from stablebert.report.analyses.noise import NOISE
from stablebert.report.analyses.paired import PAIRED
from stablebert.report.analyses.randomness import RANDOMNESS
from stablebert.report.analyses.rates import RATES
from stablebert.report.analyses.soup import SOUP

_ALL = (NOISE, DISAGREEMENT, SOUP, PAIRED, EQUIVALENCE, RATES, RANDOMNESS, COST)
ANALYSES = {analysis.name: analysis for analysis in _ALL}


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a text such as `paired,cost`; `all` stands for every analysis.

    Raises:
        ValueError: If a name is unknown.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name != "all" and name not in ANALYSES:
            advice = did_you_mean(name, ANALYSES)
            choices = ", ".join([*ANALYSES, "all"])
            raise ValueError(f"unknown analysis {name!r}{advice}; choose from {choices}")
    return tuple(ANALYSES) if "all" in names else tuple(dict.fromkeys(names))
