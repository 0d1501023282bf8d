"""Memory does not grow with the corpus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from echo import Echo, noise_corpus
from speechinterp import extract

class Wide(Echo):
    width = 1024
    def states(self, heard):
        return [state.repeat(1, 1, 342)[:, :, :1024].contiguous() for state in super().states(heard)]

folder, times = sys.argv[1], int(sys.argv[2])
reps = extract(Wide(), noise_corpus(64 * times), out=folder + "/store")
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]), 2 * len(reps) * 1024 * 4 // 1024)
"""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_corpus_twenty_times_as_large_takes_no_more(tmp_path):
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    peaks, sizes = [], []
    for times in (1, 20):
        folder = tmp_path / str(times)
        folder.mkdir()
        output = subprocess.check_output(
            [sys.executable, "-c", PROGRAM, str(folder), str(times)],
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            text=True,
        )
        peak, size = map(int, output.split())
        peaks.append(peak)
        sizes.append(size)
    assert sizes[1] > 60_000, "what is stored would be seen in memory if it were kept there"
    assert peaks[1] <= 1.1 * peaks[0]
