"""Check of everything that runs read, once and before any of them starts."""

from collections.abc import Sequence

from stablebert.glue.token_cache import TokenCache
from stablebert.models.folder import check_folder
from stablebert.runs.locate import cache_folder
from stablebert.runs.run import LocatedRun


def check_inputs(runs: Sequence[LocatedRun]) -> None:
    """Check each model and each task of some runs once, without torch.

    Rows are read only if no run has tokenized them before, because that checks them too.

    Raises:
        InputError: If a model or a task cannot be used by the runs.
    """
    runs = [*runs, *(run.start for run in runs if run.start)]
    for model in dict.fromkeys(run.model for run in runs):
        max_length = max(run.cfg.data.max_length for run in runs if run.model == model)
        check_folder(model, max_length=max_length)
    for run in {(run.source.identity, run.source.task.config): run for run in runs}.values():
        root = cache_folder(run.cfg.paths.cache)
        cache = TokenCache(root, run.source, run.model, run.cfg.data.max_length)
        if not cache.folder.is_dir():
            for split in run.source.files:
                run.source.read(split)
