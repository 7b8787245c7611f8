"""The option `--slurm`: keys and values as in sbatch, and clear refusals."""

import pytest

from stablebert.errors import ConfigError
from stablebert.grid.slurm_options import ALLOWED, SlurmOptions


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("1:30", 2),
        ("04:00:00", 240),
        ("00:00:01", 1),
        ("2-3", 51 * 60),
        ("1-00:10", 1450),
        ("1-0:0:30", 1441),
    ],
)
def test_time_is_read_as_sbatch_reads_it(text, minutes):
    assert SlurmOptions.parse([f"time={text}"]).minutes == minutes


def test_the_time_limit_is_four_hours_by_default():
    assert SlurmOptions.parse([]).minutes == 240


def test_options_are_separated_by_commas_and_may_contain_them():
    options = SlurmOptions.parse(["partition=gpu,nodelist=a,b,gpus=a100:2", "cpus-per-task=4"])
    assert options.others == {"partition": "gpu", "nodelist": "a,b", "gpus": "a100:2"}
    assert options.cpus == 4


def test_later_options_override_earlier_ones():
    assert SlurmOptions.parse(["mem=8G,mem=9G", "mem=10G"]).others == {"mem": "10G"}


BAD_VALUES = ["", " ", "a b", "\n", "é", "x\x00", "$ x", "'\"\t"]
BAD = {
    "cpus-per-task": ["0", "-1", "1.5", "two", "9" * 30, "٣"],
    "gpus": ["0", "-1", "a100:", ":1", "a100:0", "all", "1;2", "9" * 30],
    "mem": ["24GB", "G", "-1", "1.5G", "all", "9" * 40],
    "time": ["0", "00:00:00", "4h", "1:2:3:4", "-5", "1-", "forever", "1:", "9" * 30, "0-0"],
}
CASES = [
    *(f"{key}={value}" for key in ALLOWED for value in [*BAD_VALUES, *BAD.get(key, [])]),
    *("", "gpu", "=", "=gpu", "Partition=gpu", "partition", "time", "exclusive", "--time=4"),
    *(f"{key}s=1" for key in ALLOWED if f"{key}s" not in ALLOWED),
    *(f"{key}" for key in ALLOWED),
    *("wrap=ls", "array=1-8", "output=x", "requeue=1", "signal=USR1", "job-name=x", "parsable=1"),
]


@pytest.mark.parametrize("text", CASES, ids=ascii)
def test_invalid_options_are_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError) as caught:
        SlurmOptions.parse([text])
    (problem,) = caught.value.problems
    assert problem.startswith(f"--slurm {text}: expected ")


def test_every_problem_is_reported():
    with pytest.raises(ConfigError) as caught:
        SlurmOptions.parse(["partitoin=gpu,time=4h", "gpus=none"])
    unknown, time, gpus = caught.value.problems
    assert unknown.endswith("did you mean partition?")
    assert time.startswith("--slurm time=4h: expected at least a minute")
    assert gpus == "--slurm gpus=none: expected a number, or TYPE:NUMBER, such as a100:1"
