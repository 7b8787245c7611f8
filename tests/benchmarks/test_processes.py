"""Child processes of the benchmarks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

PARENT = """
import multiprocessing
from benchmarks.processes import exit_with_parent
if __name__ == '__main__':
    child = multiprocessing.get_context('spawn').Process(target=exit_with_parent)
    child.start()
    print(child.pid, flush=True)
    child.join()
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_child_exits_when_its_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    )
    child = Path("/proc") / parent.stdout.readline().strip()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 600
    while child.exists() and " Z " not in (child / "stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_parent_does_not_load_torch():
    """A child's peak memory starts at its parent's."""
    code = "import sys; import benchmarks.bench; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
