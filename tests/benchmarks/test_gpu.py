"""The measurements for GPUs, with a tiny model on a CPU, and their synthetic data."""

import numpy as np
import pytest

from benchmarks import gpu, processes, table
from benchmarks.synthetic import LENGTHS, quantiles, write_synthetic_glue
from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training.build import build_data
from stablebert.yaml_files import PACKAGE
from tests.helpers.warm_processes import warm_processes

TOKENIZER = PACKAGE / "demo/model"


@pytest.fixture(scope="session")
def synthetic_glue(tmp_path_factory):
    """Folder with the synthetic tasks."""
    folder = tmp_path_factory.mktemp("synthetic") / "glue"
    write_synthetic_glue(folder, TOKENIZER)
    return folder


@pytest.mark.parametrize("task", LENGTHS)
def test_synthetic_rows_are_as_long_as_the_real_ones(task, synthetic_glue, tmp_path):
    keys = [f"task={task}", f"data.source={synthetic_glue}", f"model.name={TOKENIZER}"]
    data = build_data(locate(compose(["scale=mini", *keys, f"paths.cache={tmp_path}"])))
    lengths = np.array(quantiles(data.sets["train"].lengths()))
    assert (np.abs(lengths - LENGTHS[task])[:-1] <= 0.1 * np.array(LENGTHS[task][:-1]) + 1).all()


@pytest.fixture(scope="session")
def gpu_results(tmp_path_factory):
    """Results of a tiny model on one task, and what the program prints."""
    out = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
            patch.setenv(name, "0")  # the program sets them
        patch.setattr(gpu, "CONTESTANTS", ("ours_mixed", "ours_bare_mixed"))
        patch.setattr(gpu, "WORKERS", (1, 2))
        size = ["--blocks", "2", "--steps", "2", "--threads", "1", "--out", str(out)]
        with warm_processes(processes):
            gpu.main(["--shape", "tiny", "--tasks", "cola", *size])
    (path,) = out.glob("*.json")
    return table.load_results(path)["tasks"]["tiny cola"], (out / "README.md").read_text()


@pytest.mark.slow
def test_packed_batches_have_the_logits_and_gradients_of_padded_ones(gpu_results):
    parity = gpu_results[0]["parity"]
    assert max(parity["32-true"]["packed"].values()) < 1e-4
    for precision in ("16-mixed", "bf16-mixed"):
        for name, error in parity[precision]["packed"].items():
            assert 0 < error < 3 * parity[precision]["padded"][name]


@pytest.mark.slow
def test_kernels_take_a_part_of_a_step(gpu_results):
    assert gpu_results[0]["busy_seconds_per_step"] > 0


@pytest.mark.slow
def test_workers_are_timed_together(gpu_results):
    workers = gpu_results[0]["workers"]
    assert {n: len(row["seconds_per_step"]) for n, row in workers.items()} == {"1": 2, "2": 2}
    assert workers["2"]["peak_memory_bytes"] > 1.5 * workers["1"]["peak_memory_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("heading", ["launch overhead", "workers", "gradients, packed", "peak MB"])
def test_the_page_shows_every_measurement(gpu_results, heading):
    assert heading in gpu_results[1]


@pytest.mark.slow
def test_the_page_gives_the_command(gpu_results):
    assert "`python -m benchmarks.gpu" in gpu_results[1]
