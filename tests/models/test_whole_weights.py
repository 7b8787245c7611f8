"""The whole weights of a fine-tuned model, taken from it and given to another one."""

import numpy as np
import pytest
import torch

from stablebert.models.loading import load_model, load_weights, whole_weights
from stablebert.models.surgery import train_embedding_rows
from tests.helpers.architectures import SHAPES


@pytest.mark.parametrize("kind", SHAPES)
def test_a_model_takes_all_weights_of_another_one(folders, kind):
    trained, other = (load_model(folders[kind], num_labels=3, seed=seed) for seed in (0, 1))
    with torch.no_grad():
        for p in trained.parameters():
            p.add_(torch.randn(p.shape))
    load_weights(other, whole_weights(trained).items())
    state = trained.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


def test_trained_rows_of_the_embeddings_are_in_their_places(tiny_bert):
    model, plain = (load_model(tiny_bert, num_labels=2, seed=0) for _ in range(2))
    train_embedding_rows(model, torch.tensor([3, 7]))
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(1)
    name = "bert.embeddings.word_embeddings.weight"
    expected = plain.state_dict()[name].numpy().copy()
    expected[[3, 7]] += 1
    weights = whole_weights(model)
    assert weights.keys() == plain.state_dict().keys()
    assert np.array_equal(weights[name], expected)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda weights: weights.pop("classifier.bias"), "no weights for classifier.bias"),
        (lambda weights: weights.update(lora=np.zeros(2)), r"lora \(2,\) is not a weight of Bert"),
        (
            lambda weights: weights.update({"classifier.bias": np.zeros(3)}),
            r"classifier.bias \(3,\) is not",
        ),
    ],
)
def test_other_weights_are_refused_by_name(tiny_bert, change, problem):
    model = load_model(tiny_bert, num_labels=2, seed=0)
    weights = whole_weights(model)
    change(weights)
    with pytest.raises(ValueError, match=problem):
        load_weights(model, weights.items())
