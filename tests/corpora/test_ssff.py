"""Tracks of EMU databases come with their times, whatever machine wrote them."""

import struct

import numpy as np
import pytest

from speechinterp.corpora import read_ssff
from speechinterp.errors import CorpusError

HEAD = "SSFF -- (c) SHLRC\nMachine {machine}\nRecord_Freq 200.0\nStart_Time 0.0025\n"
COLUMNS = "Column fm SHORT 2\nColumn jaw FLOAT 1\nOriginal_Freq DOUBLE 20000.0\n"
ROWS = [(500, -1500, 0.25), (510, -1490, -3.5), (520, -1480, 7.0)]


def written(path, machine="IBM-PC", rows=ROWS, head=HEAD + COLUMNS, end="-----------------\n"):
    order = "<" if machine == "IBM-PC" else ">"
    data = b"".join(struct.pack(f"{order}hhf", *row) for row in rows)
    path.write_bytes((head.format(machine=machine) + end).encode("ascii") + data)
    return path


@pytest.mark.parametrize("machine", ["IBM-PC", "SPARC"])
def test_records_are_read_with_their_times(tmp_path, machine):
    table = read_ssff(written(tmp_path / "a.fms", machine))
    assert table.columns.tolist() == ["time", "fm1", "fm2", "jaw"]
    assert table.time.tolist() == pytest.approx([0.0025, 0.0075, 0.0125])
    assert table[["fm1", "fm2", "jaw"]].to_numpy() == pytest.approx(np.array(ROWS))


def test_dashes_in_the_data_do_not_end_the_head_twice(tmp_path):
    dashes = struct.unpack("<hhf", b"--------")
    table = read_ssff(written(tmp_path / "a.fms", rows=[dashes] * 5))
    assert len(table) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": HEAD}, "head is incomplete"),
        ({"head": COLUMNS}, "not an SSFF file"),
        ({"head": "RIFF" + HEAD[4:] + COLUMNS}, "head is incomplete"),
        ({"end": ""}, "head is incomplete"),
        ({"machine": "VAX"}, "VAX"),
        ({"head": HEAD + "Column fm WORD 1\n"}, "WORD"),
    ],
)
def test_other_files_are_refused(tmp_path, change, message):
    with pytest.raises(CorpusError, match=message):
        read_ssff(written(tmp_path / "a.fms", **change))


def test_a_file_that_breaks_off_or_is_not_there_is_said(tmp_path):
    path = written(tmp_path / "a.fms")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorpusError, match="breaks off"):
        read_ssff(path)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_ssff(tmp_path / "none.fms")
