"""Every method on every architecture."""

import json
from itertools import product

import pytest
import torch
from lightning.pytorch import Callback

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.values import choices_of
from stablebert.models.architectures import ARCHITECTURES
from stablebert.runs.locate import locate
from stablebert.training.build import use_capture
from stablebert.training.lifecycle import train_run
from tests.helpers.architectures import SHAPES
from tests.helpers.warm_processes import warm_workers

pytestmark = pytest.mark.slow

METHODS = [m for m in choices_of("method") if m != "longer"]  # `standard` with another length
if not hasattr(torch.optim, "Muon"):  # before torch 2.9
    METHODS.remove("muon")
REFUSED = {
    ("modernbert", "ia3"): "has one Linear for query, key and value",
    ("xlnet", "ia3"): "keeps the weights of its attention outside any Linear",
    ("xlnet", "lora"): "keeps the weights of its attention outside any Linear",
    ("albert", "reinit"): "share one set of weights",
    ("modernbert", "bitfit"): r"\*\.bias matches no other parameter",
    # this checkpoint has no pooler
    ("modernbert", "head_only"): "pooler starts at random",
    ("modernbert", "layernorm"): "pooler starts at random",
    ("modernbert", "lora"): "pooler starts at random",
    ("modernbert", "rdrop"): "has no dropout, so its two passes are identical",
    ("xlnet", "mixout"): "XLNetRelativeAttention, keeps weights outside any Linear",
}
"""Methods that cannot work with an architecture, and the reason in the error message."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Folder of tokenized rows, shared by all runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def locate_run(folders, small_glue, cache, tmp_path):
    def locate_run(kind, method, steps=1):
        overrides = [
            f"model.name={folders[kind]}", f"data.source={small_glue}", "task=rte", "scale=paper",
            f"method={method}", f"trainer.max_steps={steps}", "trainer.precision=32-true",
            f"trainer.evaluations={min(steps, 2)}",
            f"paths.runs={tmp_path}", f"paths.cache={cache}",
            *(["reinit.num_layers=1"] if "reinit" in method else []),
        ]  # fmt: skip
        return locate(compose(overrides))

    return locate_run


@pytest.mark.parametrize(
    ("kind", "method"), [pair for pair in product(SHAPES, METHODS) if pair not in REFUSED]
)
def test_method_trains_architecture(locate_run, kind, method):
    run = locate_run(kind, method)
    record = train_run(run)
    assert (record.steps, record.method) == (1, method)
    assert record.packing == ("packed" if ARCHITECTURES[kind].packed_forward else "padded")
    assert json.loads((run.folder / "history.jsonl").read_text().splitlines()[-1])


class CapturedParts(Callback):
    """Callback that reads, in every step, what a CUDA graph cannot notice a change of."""

    def __init__(self):
        self.steps = []

    def on_before_backward(self, trainer, pl_module, loss):
        modules = [
            (name, id(module), module.training, getattr(module, "p", None))
            for name, module in pl_module.model.named_modules()
        ]
        tensors = [*pl_module.model.named_parameters(), *pl_module.model.named_buffers()]
        places = [(name, tensor.data_ptr(), tensor.requires_grad) for name, tensor in tensors]
        self.steps.append((modules, places))


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("mixout", "rdrop", "sam")])
def test_a_captured_method_replaces_moves_and_freezes_nothing_after_the_first_step(
    locate_run, method, monkeypatch
):
    run = locate_run("bert", method, steps=4)
    with monkeypatch.context() as gpu:
        gpu.setattr("stablebert.training.build.choose_device", lambda cfg: "cuda")
        assert use_capture(run.cfg, packed=True)
    parts = CapturedParts()
    train_run(run, [parts])
    first, *others = parts.steps
    assert len(others) == 3
    assert all(step == first for step in others)


@pytest.mark.parametrize(
    "method", ["noisytune+reinit+component_clipping+swa+sam+rdrop", "mixout+sam", "llrd+swa+lp_ft"]
)
def test_methods_combine(locate_run, method):
    methods = train_run(locate_run("bert", method)).method
    assert sorted(methods.split("+")) == sorted(method.split("+"))


@pytest.mark.parametrize(("kind", "method"), REFUSED)
def test_method_that_cannot_work_is_refused(locate_run, kind, method):
    with pytest.raises(ValueError, match=REFUSED[kind, method]):
        train_run(locate_run(kind, method))


def test_table_7_compares_architectures(folders, small_glue, tmp_path, capsys):
    kinds = ("xlnet", "roberta", "electra", "bart")
    models = ",".join(str(folders[kind]) for kind in kinds)
    overrides = [
        "task=rte", "seed=0,1", "scale=demo", "trainer.max_steps=2", f"model.name={models}",
        "trainer.threads=1",
        f"data.source={small_glue}", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache",
    ]  # fmt: skip
    with warm_workers():
        assert main(["grid", "table7", *overrides, "--workers", "2"]) == 0
    capsys.readouterr()
    assert main(["report", "table7", *overrides, "--full"]) == 0
    out = capsys.readouterr().out
    assert "16 of 16 runs: 8 cells, seeds 0..1; 0 missing" in out
    assert all(str(folders[kind]) in out for kind in kinds)
