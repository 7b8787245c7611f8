"""Table 2 and one of its searches, trained on tiny data."""

import re

import pytest

from stablebert.cli.main import main
from tests.helpers.tiny import write_tiny_task
from tests.helpers.warm_processes import warm_workers

pytestmark = pytest.mark.slow


def test_table_2_reports_the_best_setting_of_its_searches(tiny_bert, tmp_path, capsys):
    write_tiny_task(tmp_path / "glue", "rte", train_rows=100)
    overrides = [
        "task=rte", "seed=0,1", "scale=demo", "trainer.threads=1", f"model.name={tiny_bert}",
        f"data.source={tmp_path}/glue", f"paths.runs={tmp_path}/runs",
        f"paths.cache={tmp_path}/cache",
    ]  # fmt: skip
    table = ["table2", "method=standard,mixout,longer", *overrides]
    with warm_workers():
        assert main(["grid", *table, "--workers", "1"]) == 0
        assert main(["grid", "mixout", "mixout.p=0.5,0.9", *overrides, "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["report", *table, "--full"]) == 0
    assert re.search(r"rte mixout: .* best of 3 settings", capsys.readouterr().out)
