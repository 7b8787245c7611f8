"""Repositories of the Hugging Face Hub at a known commit, through the real client.

`fetch` returns the local snapshot folder, whose name is the commit, and guarantees:

- A pinned commit that is complete locally needs no network.
- A hub that does not answer costs seconds, and a download that stalls a minute; the client alone
  would wait for minutes or forever.
- A complete cache is used, with a warning, if the hub refuses or something else answers for it.
- No other commit replaces a pinned one.
- Files have the hashes that the hub named; the client verifies neither downloads nor its cache.
- A partial snapshot is never accepted; offline, the client returns one without a warning.

Everything is then loaded from that folder, because `load_dataset` and `from_pretrained` fall back
on other revisions and wait for hubs that are down.
"""

from stablebert.hub.content import Content, digest, identify_snapshot
from stablebert.hub.errors import DamagedFileError, HubError
from stablebert.hub.fetching import GLUE, cached_config, fetch, fetch_glue, fetch_model, find_commit
from stablebert.hub.folders import (
    complete_shards,
    describe_replacement,
    find_glue_files,
    find_model_files,
    model_files,
    shards,
)

__all__ = [
    "GLUE",
    "Content",
    "DamagedFileError",
    "HubError",
    "cached_config",
    "complete_shards",
    "describe_replacement",
    "digest",
    "fetch",
    "fetch_glue",
    "fetch_model",
    "find_commit",
    "find_glue_files",
    "find_model_files",
    "identify_snapshot",
    "model_files",
    "shards",
]
