"""SSFF: the signal files of EMU databases, in which formants, pitch and articulators are kept beside the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from speechinterp.errors import CorpusError

__all__ = ["read_ssff"]

TYPES = {"CHAR": "i1", "BYTE": "u1", "SHORT": "i2", "LONG": "i4", "FLOAT": "f4", "DOUBLE": "f8"}
ORDERS = {"IBM-PC": "<", "SPARC": ">"}
END = b"-----------------"


def read_ssff(path: str | Path) -> pd.DataFrame:
    """Read the tracks of an SSFF file.

    Parameters
    ----------
    path
        The file, such as ``NAME_bndl/NAME.fms``.

    Returns
    -------
    pandas.DataFrame
        One row a record: `time` in seconds, and a column a track; the fields of a track with several are called
        ``fm1``, ``fm2``, .... Written as a CSV file it is what :func:`speechinterp.probing.add_tracks` takes.

    Raises
    ------
    CorpusError
        If the file cannot be read, is no SSFF file, or breaks off.

    Notes
    -----
    The time of record i is ``Start_Time + i / Record_Freq``. Numbers are little-endian for the machine ``IBM-PC`` and
    big-endian for ``SPARC``.

    References
    ----------
    Winkelmann, R., Harrington, J. & Jänsch, K. (2017). EMU-SDMS: Advanced speech database management and
    analysis in R. Computer Speech & Language 45, 392-410.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error}", expected="an SSFF file") from error
    head, end, data = content.partition(END + b"\n")
    lines = [line.split() for line in head.decode("latin-1").splitlines()]
    said = {line[0]: line[1] for line in lines if len(line) == 2}
    try:
        order = ORDERS[said["Machine"]]
        start, rate = float(said["Start_Time"]), float(said["Record_Freq"])
        fields = [
            (name if int(n) == 1 else f"{name}{k}", order + TYPES[kind])
            for word, name, kind, n in (line for line in lines if len(line) == 4)
            if word == "Column"
            for k in range(1, int(n) + 1)
        ]
        if not (end and lines[0][:1] == ["SSFF"] and fields and rate > 0):
            raise ValueError("its head is incomplete")
        record = np.dtype(fields)
    except (KeyError, ValueError, IndexError) as error:
        raise CorpusError(
            f"{path} is not an SSFF file that can be read: {error}",
            expected="a head with Machine, Record_Freq, Start_Time and Columns, that ends in a line of dashes",
            cause="another kind of file under this name",
            fix="export the track from EMU again",
        ) from error
    if len(data) % record.itemsize:
        raise CorpusError(
            f"{path} breaks off: {len(data)} bytes of records of {record.itemsize}",
            expected="whole records",
            cause="a copy that was cut off",
            fix="copy the file again",
        )
    table = pd.DataFrame(np.frombuffer(data, record)).astype(float)
    table.insert(0, "time", start + np.arange(len(table)) / rate)
    return table
