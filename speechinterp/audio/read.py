"""Reading sound files, and refusing those that hold less than they promise."""

from __future__ import annotations

import io
import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from speechinterp.audio.repair import restored_line_ends
from speechinterp.audio.sound import Sound
from speechinterp.errors import AudioError

__all__ = ["Head", "RepairWarning", "duration_of", "head_of", "read_sound"]

SMALLEST_STREAM_SIZE = 0x7FFFF000
"""Programs that write WAV into a pipe cannot know its size and put this or more in its place."""
SPHERE_HEAD = 1024
MOST_REPAIRED = 16
"""More missing bytes than this are a broken-off copy."""


class RepairWarning(UserWarning):
    """A sound file was damaged in a known way and is used as it was before."""


@dataclass(frozen=True)
class Head:
    """What the head of a sound file says.

    Parameters
    ----------
    sample_rate
        In Hz.
    n_samples
        Of every channel.
    n_channels
        Number of channels.
    """

    sample_rate: int
    n_samples: int
    n_channels: int


def read_sound(path: str | Path, *, channel: int | None = None) -> Sound:
    """Read a sound file: WAV, FLAC, OGG, MP3, NIST SPHERE and whatever else libsndfile reads.

    Parameters
    ----------
    path
        The file.
    channel
        Which channel to take, 0 for the first; needed where there are several.

    Returns
    -------
    Sound
        At the sample rate of the file; integer samples are divided by full scale, into [-1, 1).

    Raises
    ------
    AudioError
        If the file is missing, empty, no sound, compressed with shorten, shorter than its head promises,
        without samples, or holds NaN or infinite values, and if the channel is missing or out of range.

    Notes
    -----
    A 16-bit SPHERE file that lost a few bytes to a copy in text mode is repaired, with a
    :class:`RepairWarning`; see :func:`~speechinterp.audio.repair.restored_line_ends`.

    The head is compared with the size of the file for WAV, AIFF, AU and SPHERE; FLAC and OGG with
    what they decode to. A cut-off MP3 does not always say how long it was.
    """
    import soundfile

    path = Path(path)
    head = head_of(path)
    source = _whole(path)
    if not isinstance(source, Path):
        head = _head(soundfile.info(source))
        source.seek(0)
    if channel is None and head.n_channels > 1:
        raise AudioError(
            f"{path} has {head.n_channels} channels",
            expected="one channel, or the number of the one to use",
            cause="a stereo recording, often with one speaker on each channel",
            fix="pass channel=0, or ?channel=0 after the path of the corpus, for the first channel",
        )
    if channel is not None and not 0 <= channel < head.n_channels:
        raise AudioError(
            f"channel {channel} of {path}, which has {head.n_channels}",
            expected=f"a channel from 0 to {head.n_channels - 1}",
            cause="channels counted from 1",
            fix=f"pass channel=0 to channel={head.n_channels - 1}",
        )
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _cut_off(
            path, f"{head.n_samples} samples", f"{error.error_string.rstrip('.')} while decoding"
        ) from error
    if len(samples) < head.n_samples:
        raise _cut_off(path, f"{head.n_samples} samples", f"{len(samples)}")
    try:
        return Sound(samples[:, channel or 0], rate)
    except AudioError as error:
        raise AudioError(
            f"{path}: {error.found}", expected=error.expected, cause=error.cause, fix=error.fix
        ) from None


def duration_of(path: str | Path) -> float:
    """Return the length of a sound file in seconds, from its head.

    Raises
    ------
    AudioError
        If the file is missing, empty, no sound, or visibly shorter than its head promises.
    """
    import soundfile

    head = head_of(path)
    source = _whole(Path(path))
    if not isinstance(source, Path):
        head = _head(soundfile.info(source))
    return head.n_samples / head.sample_rate


def head_of(path: str | Path) -> Head:
    """Read the head of a sound file; whether all of the sound is there is seen when it is read.

    Raises
    ------
    AudioError
        If the file is missing, empty, no sound, compressed with shorten, or without samples.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise AudioError(
            f"no sound file {path}",
            expected="an existing file",
            cause="a wrong path, or a drive that is not mounted",
            fix="correct the path",
        )
    size = path.stat().st_size
    if not size:
        raise AudioError(
            f"{path} is empty (0 bytes)",
            expected="a sound file",
            cause="a copy or download that was broken off",
            fix="copy it again",
        )
    with path.open("rb") as file:
        coding = _sphere_fields(file.read(SPHERE_HEAD)).get("sample_coding", "")
    if "shorten" in coding:
        raise AudioError(
            f"{path} is a SPHERE file compressed with shorten",
            expected="uncompressed SPHERE, WAV or FLAC",
            cause="the original release of an LDC corpus",
            fix=f"convert it with sph2pipe: sph2pipe -f wav {path.name} {path.stem}.wav",
        )
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path} cannot be read as sound: {error.error_string}",
            expected="a sound file (WAV, FLAC, OGG, MP3, SPHERE)",
            cause="another kind of file under this name, a damaged head, or a format that libsndfile lacks",
            fix=f"check it with 'file {path.name}', or convert it to WAV with ffmpeg or sox",
        ) from error
    if not info.frames:
        raise AudioError(
            f"{path} holds no samples",
            expected="at least one sample",
            cause="a recording that was stopped at once, or a file that was cut off after its head",
            fix="record or copy it again, or leave it out",
        )
    return _head(info)


def _head(info: Any) -> Head:
    return Head(info.samplerate, info.frames, info.channels)


def _whole(path: Path) -> Path | io.BytesIO:
    """Return the file, or its repaired content; refuse one that is smaller than its own head says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        promised = _promised_size(file)
    if promised <= size:
        return path
    repaired = _repaired(path.read_bytes(), promised - size)
    if repaired is None:
        raise _cut_off(path, f"{promised} bytes", f"{size}")
    warnings.warn(
        f"{path.name} in {path.parent.name}: {promised - size} byte(s) put back that a copy in text mode had "
        "taken out (carriage returns); without them all that follows would be noise.",
        RepairWarning,
        stacklevel=4,
    )
    return io.BytesIO(repaired)


def _repaired(content: bytes, missing: int) -> bytes | None:
    fields = _sphere_fields(content[:SPHERE_HEAD])
    kind = tuple(fields.get(name) for name in ("channel_count", "sample_n_bytes", "sample_byte_format"))
    if kind != ("1", "2", "01") or missing > MOST_REPAIRED:
        return None
    start = int(fields["head_size"])
    pcm = restored_line_ends(content[start:], missing)
    return None if pcm is None else content[:start] + pcm


def _cut_off(path: Path, promised: str, found: str) -> AudioError:
    return AudioError(
        f"{path} is cut off or damaged: its head promises {promised}, found {found}",
        expected="all of the sound",
        cause="a copy that was broken off",
        fix="copy the file again from its source, in binary mode, or leave it out",
    )


def _promised_size(file: BinaryIO) -> int:
    """Return the size in bytes that a file must have by its own head; 0 where the head does not say."""
    start = file.read(12)
    if start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:] == b"WAVE":
        return _wave_size(file, ">" if start[:4] == b"RIFX" else "<")
    if start[:4] == b"FORM":
        return 8 + _number(">I", start[4:8])
    if start[:4] == b".snd":
        sound = _number(">I", start[8:12])
        return _number(">I", start[4:8]) + (0 if sound == 0xFFFFFFFF else sound)
    fields = _sphere_fields(start + file.read(SPHERE_HEAD - 12))
    counts = [
        fields.get(name, "") for name in ("sample_count", "channel_count", "sample_n_bytes", "head_size")
    ]
    if not all(count.isdecimal() for count in counts):
        return 0
    samples, channels, width, head = map(int, counts)
    return head + samples * channels * width


def _wave_size(file: BinaryIO, order: str) -> int:
    size_of_long_file = 0
    while len(chunk := file.read(8)) == 8:
        size, body = _number(order + "I", chunk[4:]), file.tell()
        if chunk[:4] == b"ds64":
            size_of_long_file = _number(order + "Q", file.read(16)[8:])
        if chunk[:4] == b"data":
            size = size if size < SMALLEST_STREAM_SIZE else size_of_long_file
            return body + size if size else 0
        file.seek(body + size + size % 2)
    return 0


def _sphere_fields(start: bytes) -> dict[str, str]:
    """Return the fields of a NIST SPHERE head, with its own size as `head_size`; none for other files."""
    if not start.startswith(b"NIST_1A\n"):
        return {}
    text = start.partition(b"end_head")[0].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) -\w+ (.*?)\s*$", text, flags=re.MULTILINE))
    return {**fields, "head_size": text[8:16].strip()}


def _number(form: str, data: bytes) -> int:
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else 0
