import json
import subprocess
import sys

import pytest

from stablebert.ops.torch_probe import PRECISIONS, TorchReport, probe_torch


def test_every_precision_is_tried_on_every_device():
    report = probe_torch()
    assert set(report.failures["cpu"]) <= set(PRECISIONS)
    assert len(report.failures) == 1 + len(report.gpus)


def test_full_precision_works_on_the_cpu():
    assert "32-true" not in probe_torch().failures["cpu"]


@pytest.mark.slow
def test_the_program_prints_a_report():
    command = [sys.executable, "-m", "stablebert.ops.torch_probe"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert TorchReport.from_json(done.stdout) == probe_torch()
    assert set(json.loads(done.stdout)) == set(TorchReport.__dataclass_fields__)
