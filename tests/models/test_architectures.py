"""Every supported architecture, as a tiny random model of its real class."""

import json
import shutil
from itertools import product

import pytest
import torch

from stablebert.callbacks.mixout import apply_mixout
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.values import choices_of
from stablebert.models.architectures import ARCHITECTURES, layers, max_positions, packed_forward
from stablebert.models.loading import load_model
from stablebert.models.surgery import disable_dropout, has_dropout, reinitialize_top
from stablebert.optim.groups import layer_rates, parameter_groups, split_by_rate
from stablebert.packed.batch import pack_rows
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train

SIZE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 140,
    "pad_token_id": 0,
}
HALF = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
SHAPES = {
    "bert": SIZE,
    "roberta": SIZE | {"type_vocab_size": 1, "bos_token_id": 2, "eos_token_id": 3},
    "electra": SIZE | {"embedding_size": 8},
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "pad_token_id": 0},
    "bart": {
        "d_model": 16,
        "max_position_embeddings": 140,
        **{f"{half}_{k}": v for half in ("encoder", "decoder") for k, v in HALF.items()},
        **{"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3},
        "forced_eos_token_id": 3,
    },
    "albert": SIZE | {"embedding_size": 8, "hidden_dropout_prob": 0.1},
    "distilbert": {
        **{"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0},
        "max_position_embeddings": 140,
    },
    "deberta-v2": SIZE
    | {
        **{"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm"},
        **{"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
        **{"type_vocab_size": 0, "conv_kernel_size": 3},
    },
    "modernbert": SIZE
    | {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
}
BLOCKS = dict.fromkeys(SHAPES, 2) | {"bart": 4, "albert": 1}
POOLED = {"bert", "albert", "modernbert"}
# what a method cannot do to an architecture, and why
REFUSED = {
    ("albert", "reinit"): "share one set of weights",
    ("modernbert", "bitfit"): r"\*\.bias matches no other parameter",
    ("modernbert", "rdrop"): "has no dropout, so two passes agree",
    ("xlnet", "mixout"): "XLNetRelativeAttention, keeps weights outside any Linear",
}


@pytest.fixture(scope="session")
def folders(tiny_bert, tmp_path_factory):
    """A pre-trained folder per architecture: base model, and tiny_bert's vocabulary."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

    made = {}
    for kind, shape in SHAPES.items():
        folder = tmp_path_factory.mktemp("architectures") / kind
        tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
        if kind == "xlnet":
            tokenizer.padding_side = "left"
        if kind == "roberta":  # whose tokenizer knows no segments
            core = tokenizer.backend_tokenizer
            special = {name: getattr(tokenizer, name) for name in ("pad_token", "unk_token")}
            inputs = ["input_ids", "attention_mask"]
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_object=core, model_input_names=inputs, **special
            )
        config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            AutoModel.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made[kind] = folder
    return made


@pytest.fixture(params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture
def model(folders, kind):
    return load_model(folders[kind], num_labels=2, seed=0)


def batch_of(*lengths, vocab=60):
    """Padded rows of ids behind a [CLS], as a tokenizer gives them, ending in the [SEP]."""
    rng = torch.Generator().manual_seed(0)
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, n in zip(ids, lengths, strict=True):
        row[:n] = torch.randint(5, vocab, (n,), generator=rng)
        row[0], row[n - 1] = 2, 3
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def test_all_are_tested():
    assert set(SHAPES) == set(ARCHITECTURES)


def test_every_parameter_is_in_one_layer_and_the_body_is_the_pretrained_one(folders, kind, model):
    from transformers import AutoModel

    named = layers(model)
    blocks = [f"layer.{i}" for i in range(BLOCKS[kind])]
    pooler = ["pooler"] if kind in POOLED else []
    assert list(named) == ["embeddings", *blocks, *pooler, "classifier"]
    assert model.training
    pretrained = AutoModel.from_pretrained(folders[kind]).state_dict()
    body = getattr(model, model.base_model_prefix).state_dict()
    assert body.keys() <= pretrained.keys()
    assert all(torch.equal(weight, pretrained[name]) for name, weight in body.items())


def test_the_head_is_drawn_by_its_seed(folders, kind, model):
    head, again, other = (
        layers(m)["classifier"].state_dict()
        for m in (model, *(load_model(folders[kind], num_labels=2, seed=s) for s in (0, 1)))
    )
    matrices = [name for name, weight in head.items() if weight.ndim > 1]
    assert matrices
    for name, weight in head.items():
        assert torch.equal(weight, again[name])
        if name in matrices:
            assert not torch.equal(weight, other[name])
        else:
            assert weight.unique().tolist() in ([0], [1])  # biases, LayerNorms


def test_reinit_touches_exactly_the_top(kind, model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    if kind == "albert":
        with pytest.raises(ValueError, match=r"all layers of Albert.* share one set of weights"):
            reinitialize_top(model, num_layers=1)
        assert reinitialize_top(model, num_layers=0, pooler=True) == ["pooler"]
    else:
        top = f"layer.{BLOCKS[kind] - 1}"
        pooler = ["pooler"] if kind in POOLED else []
        assert reinitialize_top(model, num_layers=1) == [top, *pooler]
    own = {name: {id(p) for p in part.parameters()} for name, part in layers(model).items()}
    fresh = set(own["pooler"] if kind in POOLED else ())
    if kind != "albert":
        fresh |= own[top]
    for name, p in model.named_parameters():
        changed = not torch.equal(p, before[name])
        if id(p) not in fresh:
            assert not changed, name
        elif p.ndim > 1:
            assert changed, name
            assert 0.002 < p.std() < 0.03, name  # 0.02, and ModernBERT's narrower ones


def test_a_model_without_a_pooler_has_none_to_reinitialise(folders):
    model = load_model(folders["roberta"], num_labels=2, seed=0)
    with pytest.raises(ValueError, match="has no pooler: nothing is re-initialised"):
        reinitialize_top(model, num_layers=0, pooler=True)


def test_xlnets_attention_is_drawn_whole(folders):
    """Released run_glue.py, L765-791: q, k, v, o, r, their biases and seg_embed."""
    model = load_model(folders["xlnet"], num_labels=2, seed=0)
    with torch.no_grad():
        for p in model.transformer.layer[1].rel_attn.parameters(recurse=False):
            p.zero_()
    reinitialize_top(model, num_layers=1)
    attention = model.transformer.layer[1].rel_attn
    raw = dict(attention.named_parameters(recurse=False))
    biases = ("r_r_bias", "r_s_bias", "r_w_bias")
    assert set(raw) == {"q", "k", "v", "o", "r", "seg_embed", *biases}
    assert all(p.std() > 0.01 for p in raw.values())


def test_barts_top_layers_are_decoder_layers(folders):
    named = layers(load_model(folders["bart"], num_labels=2, seed=0))
    assert [type(named[f"layer.{i}"]).__name__ for i in range(4)] == [
        *["BartEncoderLayer"] * 2, *["BartDecoderLayer"] * 2,
    ]  # fmt: skip


def test_electras_head_is_one_linear_on_the_first_token_and_segments_count(folders):
    model = load_model(folders["electra"], num_labels=2, seed=0).eval()
    assert [n for n, _ in layers(model)["classifier"].named_parameters()] == [
        "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip
    batch = batch_of(9, 5)
    states = model.electra(**batch).last_hidden_state
    torch.testing.assert_close(model(**batch).logits, model.classifier.out_proj(states[:, 0]))
    types = torch.zeros_like(batch["input_ids"])
    types[:, 4:] = 1  # the released code gave ELECTRA none
    assert not torch.allclose(model(**batch, token_type_ids=types).logits, model(**batch).logits)


def test_layer_rates_and_groups_hold_every_parameter_once(kind, model):
    named = layers(model)
    rates = layer_rates(list(named), lr=1.0, decay=0.5)
    groups = split_by_rate(parameter_groups(model, 0.1), named, rates)
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    assert rates["embeddings"] == 0.5 ** (BLOCKS[kind] + 1)
    assert rates[f"layer.{BLOCKS[kind] - 1}"] == 0.5
    for group in groups:
        rate_of = {rates[n] for n, part in named.items() for p in part.parameters()
                   if id(p) in {id(q) for q in group["params"]}}  # fmt: skip
        assert rate_of == {group["lr"]}


def test_dropout_can_be_turned_off_wherever_it_is(kind, model):
    batch = batch_of(9, 5)
    assert has_dropout(model) == (kind != "modernbert")
    if has_dropout(model):
        assert not torch.equal(model(**batch).logits, model(**batch).logits)
    disable_dropout(model)
    assert not has_dropout(model)
    assert torch.equal(model(**batch).logits, model(**batch).logits)
    torch.testing.assert_close(model(**batch).logits, model.eval()(**batch).logits)


def test_mixout_leaves_an_untrained_model_as_it_is(kind, model):
    batch = batch_of(9, 5)
    plain = model.eval()(**batch).logits
    if kind == "xlnet":
        with pytest.raises(ValueError, match="keeps weights outside any Linear"):
            apply_mixout(model, p=0.5)
        return
    apply_mixout(model, p=0.5)
    torch.testing.assert_close(model.train()(**batch).logits, plain)
    with torch.no_grad():
        for p in layers(model)["layer.0"].parameters():
            p.add_(torch.randn_like(p) * 0.1)
    assert not torch.equal(model(**batch).logits, model(**batch).logits)


@pytest.mark.parametrize("kind", [k for k, a in ARCHITECTURES.items() if a.packed], indirect=True)
def test_packed_logits_equal_the_models_own(kind, model):
    model.eval()
    batch = batch_of(9, 12, 5)
    types = (torch.arange(12) > 3).long().expand(3, 12) * batch["attention_mask"]
    if kind == "roberta":
        types = torch.zeros_like(types)
    theirs = model(**batch, token_type_ids=types).logits
    rows = [ids[ids > 0].numpy() for ids in batch["input_ids"]]
    segments = [t[: len(r)].numpy() for t, r in zip(types, rows, strict=True)]
    packed = pack_rows(rows, segments, torch.arange(3).numpy())
    ours = packed_forward(model)(model, packed, DropoutMasks(0))
    torch.testing.assert_close(ours, theirs[packed.labels], atol=1e-5, rtol=1e-4)


def test_positions(folders):
    found = {
        kind: max_positions(load_model(folder, num_labels=2, seed=0).config)
        for kind, folder in folders.items()
    }
    assert found == dict.fromkeys(SHAPES, 140) | {"roberta": 139, "xlnet": None}


METHODS = [m for m in choices_of("method") if m != "longer"]  # which is standard at another length


@pytest.mark.parametrize(("kind", "method"), list(product(SHAPES, METHODS)))
def test_every_method_trains_every_architecture_or_says_why_not(
    folders, tiny_glue, tmp_path, kind, method
):
    words = [
        f"model.name={folders[kind]}", f"data.source={tiny_glue}", "task=rte", "scale=paper",
        f"method={method}", "trainer.max_steps=1", "trainer.evaluations=1",
        "trainer.precision=32-true", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache",
    ]  # fmt: skip
    if method == "reinit":
        words.append("reinit.num_layers=1")
    located = locate(compose(words))
    if why := REFUSED.get((kind, method)):
        with pytest.raises(ValueError, match=why):
            train(located)
        return
    record = train(located)
    assert (record.steps, record.method) == (1, method)
    assert record.packing == ("packed" if ARCHITECTURES[kind].packed else "padded")
    last = json.loads((located.folder / "history.jsonl").read_text().splitlines()[-1])
    assert last
    shutil.rmtree(located.folder)


def test_table_7_end_to_end(folders, tiny_glue, tmp_path, capsys):
    kinds = ("xlnet", "roberta", "electra", "bart")
    models = ",".join(str(folders[kind]) for kind in kinds)
    narrow = [
        "task=rte", "seed=0,1", "scale=demo", f"model.name={models}",
        f"data.source={tiny_glue}", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}/cache",
    ]  # fmt: skip
    assert main(["grid", "table7", *narrow, "--workers", "2"]) == 0
    capsys.readouterr()
    assert main(["report", "table7", *narrow]) == 0
    out = capsys.readouterr().out
    assert "16 of 16 runs: 8 cells, seeds 0..1; 0 missing" in out
    assert all(out.count(f"{folders[kind]}") for kind in kinds)
