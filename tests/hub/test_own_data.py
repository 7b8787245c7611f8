"""Data of a user's task on the hub."""

import pytest

from stablebert.glue.sources import resolve
from stablebert.hub import HubError
from stablebert.tasks import OwnData, Task
from stablebert.tasks.metrics import METRICS

pytestmark = pytest.mark.slow
FILES = (("train", "train"), ("dev", "validation"))
TASK = Task(
    *("mine", "mine", "mine", ("review",), ("bad", "good"), (METRICS["accuracy"],)),
    dev_split="dev",
    own=OwnData("me/reviews", FILES),
)


@pytest.fixture
def dataset(hub, client, tmp_path):
    """A dataset on the hub, with a file that the task does not need."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    for name in ("train.csv", "validation.csv", "notes.csv"):
        (folder / name).write_text("review,label\nfine,good\n")
    hub.repos["datasets/me/reviews"] = folder
    return hub


def test_only_the_files_of_the_task_are_fetched(dataset):
    source = resolve("hub", TASK)
    assert source.read("dev").to_pylist() == [{"review": "fine", "label": 1}]
    assert [request for request in dataset.downloads() if "notes" in request] == []


def test_the_record_names_the_commit(dataset):
    commit = dataset.commit("datasets/me/reviews")
    assert resolve("hub", TASK).content.address == f"me/reviews@{commit}"


def test_the_content_is_that_of_a_folder_with_the_same_files(dataset, tmp_path):
    assert resolve("me/reviews", TASK).identity == resolve(tmp_path / "reviews", TASK).identity


def test_a_missing_split_is_reported(dataset, tmp_path):
    (tmp_path / "reviews/validation.csv").unlink()
    with pytest.raises(HubError, match=r"me/reviews.*lacks files that are needed.*validation"):
        resolve("hub", TASK)
