"""Packed batches: the padded path's numbers without its padding, and dropout worth its name."""

import lightning as L
import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F
from transformers import BertConfig, BertForSequenceClassification

from stablebert.models.architectures import packed_forward
from stablebert.models.loading import load_model
from stablebert.models.surgery import train_embedding_rows
from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import parameter_groups
from stablebert.packed.attention import _padded, packed_attention
from stablebert.packed.batch import SINGLE_FROM, pack_rows
from stablebert.packed.dropout import DropoutMasks, dropout
from stablebert.training.module import GlueClassifier

LENGTHS = [5, 60, 3, 5, 9, 5, 60, 1, 48]  # groups of one and of many, twice the same long one


def batches(lengths=LENGTHS, vocabulary=80, seed=0):
    """The same rows packed and padded, and the order of the packed ones."""
    rng = np.random.default_rng(seed)
    ids = [rng.integers(5, vocabulary, n) for n in lengths]
    types = [(np.arange(n) > n // 2).astype(np.int64) for n in lengths]
    labels = np.arange(len(lengths)) % 2
    shape = (len(lengths), max(lengths))
    padded = {name: np.zeros(shape, np.int64) for name in ("input_ids", "token_type_ids")}
    padded["attention_mask"] = np.arange(shape[1]) < np.array(lengths)[:, None]
    for i, n in enumerate(lengths):
        padded["input_ids"][i, :n], padded["token_type_ids"][i, :n] = ids[i], types[i]
    padded = {name: torch.from_numpy(array.astype(np.int64)) for name, array in padded.items()}
    order = np.argsort(-np.array(lengths), kind="stable")
    return pack_rows(ids, types, labels), padded, torch.from_numpy(order)


def bert(dtype=torch.float32, **changes):
    """A BERT whose weights are large enough for its layers to matter."""
    shape = {
        "vocab_size": 80,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return BertForSequenceClassification(BertConfig(**shape | changes)).to(dtype)


def test_a_batch_is_packed_longest_first():
    rows = [np.array([1, 2]), np.array([3, 4, 5]), np.array([6]), np.array([7, 8])]
    batch = pack_rows(rows, [row * 0 for row in rows], np.array([0, 1, 2, 3]))
    assert batch.input_ids.tolist() == [3, 4, 5, 1, 2, 7, 8, 6]
    assert batch.position_ids.tolist() == [0, 1, 2, 0, 1, 0, 1, 0]
    assert batch.starts.tolist() == [0, 3, 5, 7]
    assert batch.labels.tolist() == [1, 0, 3, 2]
    assert batch.lengths == (3, 2, 2, 1)
    assert [(g.row, g.rows, g.token, g.length) for g in batch.groups] == [
        (0, 1, 0, 3),
        (1, 2, 3, 2),
        (3, 1, 7, 1),
    ]
    long = pack_rows([np.ones(SINGLE_FROM)] * 2, [np.ones(SINGLE_FROM)] * 2, np.zeros(2))
    assert [group.rows for group in long.groups] == [1, 1]
    assert batch.to("cpu").lengths == batch.lengths


PRECISIONS = {
    "float64": (torch.float64, None, 1e-12),
    "32-true": (torch.float32, None, 2e-5),
    # eight bits of mantissa: what the two paths round differently, layer after layer
    "bf16-mixed": (torch.float32, torch.bfloat16, 0.1),
    "16-mixed": (torch.float32, torch.float16, 0.015),
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_logits_and_gradients_equal_the_padded_path(precision):
    dtype, lower, tolerance = PRECISIONS[precision]
    packed, padded, order = batches()
    model = bert(dtype).eval()
    made = {}
    for name in ("packed", "padded"):
        model.zero_grad()
        with torch.autocast("cpu", dtype=lower or torch.bfloat16, enabled=lower is not None):
            if name == "packed":
                logits = packed_forward(model)(model, packed, DropoutMasks(0)).to(dtype)
            else:
                logits = model(**padded).logits[order].to(dtype)
        F.cross_entropy(logits, packed.labels).backward()
        made[name] = logits, {n: p.grad for n, p in model.named_parameters()}
    scale = made["padded"][0].abs().max()
    torch.testing.assert_close(
        made["packed"][0], made["padded"][0], rtol=0, atol=tolerance * scale.item()
    )
    largest = max(g.abs().max() for g in made["padded"][1].values())
    for name, grad in made["padded"][1].items():
        error = (made["packed"][1][name] - grad).abs().max()
        if name.endswith("key.bias"):  # zero in exact arithmetic (trap 28)
            assert error <= tolerance * largest
            continue
        assert error <= tolerance * max(grad.abs().max(), 0.01 * largest), name


@pytest.mark.parametrize("first", [False, True])
def test_attention_of_a_cpu_and_of_a_gpu_agree(first):
    """The path for a GPU runs on a CPU too; both against the definition, row by row."""
    batch, _, _ = batches()
    width, heads = 12, 3
    q, k, v = torch.randn(3, len(batch.input_ids), width, dtype=torch.float64)
    if first:
        q = q[batch.starts]
    made = packed_attention(q, k, v, batch, heads=heads, p=0.0, masks=DropoutMasks(0), first=first)
    other = _padded(q, k, v, batch, heads=heads, p=0.0, first=first)
    twin = []
    for i, (start, n) in enumerate(zip(batch.starts.tolist(), batch.lengths, strict=True)):
        asking = q[i : i + 1] if first else q[start : start + n]
        keys, values = (x[start : start + n].view(n, heads, -1) for x in (k, v))
        scores = torch.einsum("ihd,jhd->hij", asking.view(-1, heads, 4), keys) / 4**0.5
        twin.append(torch.einsum("hij,jhd->ihd", scores.softmax(-1), values).reshape(-1, width))
    torch.testing.assert_close(made, torch.cat(twin))
    torch.testing.assert_close(other, torch.cat(twin))


class Fixed(DropoutMasks):
    """The same masks at every call, so that a gradient can be checked by differences."""

    def __init__(self):
        pass

    def dropped_indices(self, n, p):
        return DropoutMasks(7).dropped_indices(n, p)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_gradients_of_attention_are_its_derivatives(first, p):
    batch, _, _ = batches([3, 5, 3, 2, 3])
    q, k, v = torch.randn(3, len(batch.input_ids), 4, dtype=torch.float64)
    q = q[batch.starts] if first else q
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]

    def attend(q, k, v):
        return packed_attention(q, k, v, batch, heads=2, p=p, masks=Fixed(), first=first)

    assert torch.autograd.gradcheck(attend, inputs)
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: dropout(x, p, Fixed()), [x])


def test_attention_drops_weights_and_keeps_their_mean():
    """With all values 1, an output is the kept weight of its row, scaled: 1 on average."""
    batch, _, _ = batches([40] * 20)
    q, k = torch.randn(2, 800, 8)
    out = packed_attention(q, k, torch.ones(800, 8), batch, heads=2, p=0.1, masks=DropoutMasks(3))
    assert out.std() > 0.01
    assert out.mean().item() == pytest.approx(1, abs=5 * out.std().item() / 1600**0.5)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_dropout_is_bernoulli(p):
    """Number, gaps and neighbours of dropped elements, against their exact distributions."""
    n, times = 4000, 500
    masks = DropoutMasks(11)
    hits = np.zeros((times, n), bool)
    for row in hits:
        row[masks.dropped_indices(n, p).numpy()] = True
    counts = hits.sum(1)
    spread = (p * (1 - p) / n / times) ** 0.5
    assert abs(hits.mean() - p) < 4.5 * spread
    # every place alike, the first and the last included
    places = hits.sum(0)
    assert stats.binomtest(int(hits[:, 0].sum()), times, p).pvalue > 1e-5
    assert stats.binomtest(int(hits[:, -1].sum()), times, p).pvalue > 1e-5
    statistic = ((places - times * p) ** 2).sum() / (times * p * (1 - p))
    assert 1e-5 < stats.chi2.sf(statistic, n) < 1 - 1e-5
    # as variable from mask to mask as independent draws are
    dispersion = (times - 1) * counts.var(ddof=1) / (n * p * (1 - p))
    assert 1e-5 < stats.chi2.sf(dispersion, times - 1) < 1 - 1e-5
    # neighbours, in a row and at the same place of the next mask, are independent
    for a, b in ((hits[:, :-1], hits[:, 1:]), (hits[:-1], hits[1:])):
        pairs = a.size
        both = (a & b).sum()
        assert abs(both - pairs * p * p) < 5 * (pairs * p * p * (1 - p * p) * 1.5) ** 0.5


def test_dropped_indices_are_rising_and_in_range():
    masks = DropoutMasks(0)
    for n in (1, 2, 3, 10, 1000):
        for _ in range(200):
            found = masks.dropped_indices(n, 0.3)
            assert found.dtype == torch.int64
            assert (found.diff() > 0).all()
            assert not len(found) or 0 <= found[0] <= found[-1] < n


def test_dropout_scales_and_its_seed_decides():
    x = torch.ones(10_000)
    one, same, other = (dropout(x, 0.25, DropoutMasks(seed)) for seed in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert set(one.tolist()) == {0.0, torch.tensor(4 / 3).item()}
    assert dropout(x, 0.0, DropoutMasks(0)) is x


def test_dropout_draws_from_no_other_stream():
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    dropout(torch.ones(1000), 0.5, DropoutMasks(0))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])


@pytest.mark.parametrize("bias_correction", [True, False])
def test_training_some_embeddings_equals_training_all(bias_correction):
    """Rows that no batch holds never had a gradient, so Adam leaves them where they are."""
    lengths = [5, 9, 3, 5, 9]
    seen = [batches(lengths, seed=seed)[0].input_ids for seed in range(3)]
    rows = torch.cat(seen).unique()
    ended = []
    for partly in (False, True):
        model = bert(torch.float64)
        if partly:
            train_embedding_rows(model, rows)
            assert model.get_input_embeddings().weight.shape == (len(rows), 24)
        optimizer = BertAdam(parameter_groups(model, 0.0), lr=1e-2, bias_correction=bias_correction)
        masks = DropoutMasks(0)
        for step in range(6):
            packed, _, _ = batches(lengths, seed=step % 3)
            loss = F.cross_entropy(packed_forward(model)(model, packed, masks), packed.labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        packed, padded, order = batches(seed=9)  # with words that were never trained
        with torch.no_grad():
            logits = packed_forward(model)(model, packed, masks)
            torch.testing.assert_close(logits, model(**padded).logits[order])
        ended.append(logits)
    assert len(rows) < 70
    torch.testing.assert_close(ended[0], ended[1], rtol=1e-10, atol=1e-12)


def test_a_word_that_training_cannot_meet_is_an_error():
    model = bert()
    train_embedding_rows(model, torch.tensor([5, 6, 7]))
    packed, _, _ = batches()
    with pytest.raises(IndexError):
        packed_forward(model)(model, packed, DropoutMasks(0))


def test_pretrained_weights_are_loaded_once_and_never_trained(tiny_bert):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    again = load_model(tiny_bert, num_labels=2, seed=0)
    assert all(torch.equal(p, before[name]) for name, p in again.named_parameters())


def test_a_trainer_takes_packed_batches(tiny_bert):
    """A batch crosses Lightning whole, and dropout follows the seed."""
    packed, _, _ = batches([4, 7, 7, 2], vocabulary=60)
    ended = []
    for seed in (1, 1, 2):
        module = GlueClassifier(
            load_model(tiny_bert, num_labels=2, seed=0),
            metrics=("accuracy",),
            lr=1e-3,
            dropout_seed=seed,
        )
        trainer = L.Trainer(
            max_steps=3,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, torch.utils.data.DataLoader([packed] * 3, batch_size=None))
        ended.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    assert torch.equal(ended[0], ended[1])
    assert not torch.equal(ended[0], ended[2])
