import shutil

import pytest
import yaml

from stablebert.config import files, merge, recognition

CACHES = (
    *(files.load_conf, merge._merge_files, merge.method_settings, recognition.recognize),
    *(recognition._entries_by_id, recognition._model_config),
)


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A function that changes a copy of conf/: `conf(methods={"mine": {...}})`."""
    folder = tmp_path / "conf"
    shutil.copytree(files.CONF, folder)
    monkeypatch.setattr(files, "CONF", folder)

    def clear_caches():
        for cached in CACHES:
            cached.cache_clear()

    def change(**entries_of):
        for file, entries in entries_of.items():
            path = folder / f"{file}.yaml"
            path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) or {}) | entries))
        clear_caches()

    yield change
    clear_caches()
