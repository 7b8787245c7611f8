import shutil

import pytest
import yaml

from stablebert.config import files


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A function that changes a copy of conf/: `conf(methods={"mine": {...}})`."""
    folder = tmp_path / "conf"
    shutil.copytree(files.CONF, folder)
    monkeypatch.setattr(files, "CONF", folder)

    def change(**entries_of):
        for file, entries in entries_of.items():
            path = folder / f"{file}.yaml"
            path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) or {}) | entries))
        files.load_conf.cache_clear()

    yield change
    files.load_conf.cache_clear()
