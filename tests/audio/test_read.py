"""Reading sound files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechinterp.audio import Head, RepairWarning, duration_of, head_of, read_sound
from speechinterp.errors import AudioError

RATE = 16000
NOISE = (np.random.default_rng(0).standard_normal(RATE) * 3000).astype(np.int16)


def sphere(samples: np.ndarray, *, channels: int = 1, coding: str = "", count: int | None = None) -> bytes:
    """A NIST SPHERE file, its head written by hand."""
    lines = [
        "NIST_1A",
        "   1024",
        f"channel_count -i {channels}",
        f"sample_count -i {len(samples) // channels if count is None else count}",
        f"sample_rate -i {RATE}",
        "sample_n_bytes -i 2",
        "sample_byte_format -s2 01",
        "sample_sig_bits -i 16",
    ]
    lines += [f"sample_coding -s{len(coding)} {coding}"] if coding else []
    head = "\n".join([*lines, "end_head", ""]).encode().ljust(1024)
    return head + samples.astype("<i2").tobytes()


def written(folder: Path, name: str, samples: np.ndarray = NOISE, **options: str) -> Path:
    path = folder / name
    soundfile.write(path, samples, RATE, **options)
    return path


def cut_off(path: Path, share: float = 0.6) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au", "Ä ö.wav"])
def test_integer_samples_are_divided_by_full_scale(tmp_path: Path, name: str) -> None:
    sound = read_sound(written(tmp_path, name))
    assert sound.sample_rate == RATE
    np.testing.assert_array_equal(sound.samples, NOISE.astype(np.float32) / 32768)


def test_full_scale_is_minus_one_and_below_one(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav", np.array([-32768, 32767], dtype=np.int16))
    assert read_sound(path).samples.tolist() == [-1.0, 32767 / 32768]


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_are_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    assert len(read_sound(path)) == RATE
    assert duration_of(path) == 1.0


def test_sphere_is_read_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "SA1.WAV"
    path.write_bytes(sphere(NOISE))
    np.testing.assert_array_equal(read_sound(path).samples, NOISE.astype(np.float32) / 32768)
    assert head_of(path) == Head(RATE, RATE, 1)


def test_the_head_gives_the_duration(tmp_path: Path) -> None:
    assert duration_of(written(tmp_path, "a.flac", NOISE[:12345])) == 12345 / RATE


def test_a_file_of_several_channels_needs_one_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav", np.stack([NOISE, -NOISE], axis=1))
    with pytest.raises(AudioError, match=r"has 2 channels.*channel=0, or \?channel=0"):
        read_sound(path)
    np.testing.assert_array_equal(read_sound(path, channel=1).samples, -NOISE.astype(np.float32) / 32768)
    assert duration_of(path) == 1.0


@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_out_of_range_is_refused(tmp_path: Path, channel: int) -> None:
    path = written(tmp_path, "a.wav", np.stack([NOISE, -NOISE], axis=1))
    with pytest.raises(AudioError, match=f"channel {channel} of .* which has 2.*from 0 to 1"):
        read_sound(path, channel=channel)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.999])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str, share: float) -> None:
    with pytest.raises(AudioError, match="cut off or damaged: its head promises"):
        read_sound(cut_off(written(tmp_path, name), share))


def test_one_missing_sample_is_seen_by_the_head_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav")
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(AudioError, match="promises 32044 bytes, found 32042"):
        duration_of(path)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sphere_file_that_is_cut_off_is_refused(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(sphere(NOISE, channels=channels)[:-channels])
    with pytest.raises(AudioError, match="cut off or damaged: its head promises 33024 bytes"):
        duration_of(path)


def test_chunks_around_the_samples_are_stepped_over(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav")
    data = path.read_bytes()
    note = b"note" + struct.pack("<I", 3) + b"abc\0"
    body = data[12:36] + note + data[36:] + note
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)
    assert len(read_sound(path)) == RATE
    path.write_bytes(path.read_bytes()[: -len(note) - 2])
    with pytest.raises(AudioError, match="cut off"):
        duration_of(path)


def test_a_wav_file_written_into_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav")
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 4 + data[8:40] + b"\xff" * 4 + data[44:])
    assert len(read_sound(path)) == RATE


def test_a_long_wave_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav", format="RF64")
    assert path.read_bytes()[:4] == b"RF64"
    assert len(read_sound(path)) == RATE
    with pytest.raises(AudioError, match="cut off"):
        duration_of(cut_off(path))


def test_sphere_compressed_with_shorten_names_sph2pipe(tmp_path: Path) -> None:
    path = tmp_path / "sa1.wav"
    path.write_bytes(sphere(NOISE, coding="pcm,embedded-shorten-v2.00"))
    with pytest.raises(AudioError, match=r"shorten.*sph2pipe -f wav sa1\.wav"):
        read_sound(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (
            b"She had your dark suit in greasy wash water.\n" * 9,
            "cannot be read as sound.*another kind of file",
        ),
        (b"RIFF", "cannot be read as sound"),
        (b"NIST_1A\n   1024\nsample_count -i x\n", "cannot be read as sound"),
        (bytes(range(256)) * 8, "cannot be read as sound"),
    ],
)
def test_what_is_no_sound_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message):
        read_sound(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"no sound file .*gone\.wav"):
        read_sound(tmp_path / "gone.wav")


def test_a_head_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        duration_of(written(tmp_path, "a.wav", NOISE[:0]))


def test_samples_that_are_no_numbers_are_refused_with_the_file(tmp_path: Path) -> None:
    samples = np.zeros(100, dtype=np.float32)
    samples[[3, 7]] = np.nan, np.inf
    path = written(tmp_path, "broken.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"broken\.wav: 2 of 100 samples are NaN"):
        read_sound(path)


@pytest.mark.real
def test_real_sphere_files_hold_what_their_heads_promise(assets: Path) -> None:
    path = assets / "corpora/timit-sample/dr1-mcpm0/sa1.wav"
    sound = read_sound(path)
    raw = np.frombuffer(path.read_bytes()[1024:], dtype="<i2")
    assert len(sound) == len(raw) == head_of(path).n_samples
    np.testing.assert_array_equal(sound.samples, raw.astype(np.float32) / 32768)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_real_sphere_files_give_all_they_promise(assets: Path) -> None:
    paths = sorted(assets.glob("corpora/timit-sample/*/*.wav"))
    for path in paths:
        promised = int(path.read_bytes().split(b"sample_count -i ")[1].split()[0])
        sound = read_sound(path)
        assert len(sound) == promised == round(duration_of(path) * 16000)
        assert np.abs(np.diff(sound.samples)).mean() < 0.05, f"{path} holds noise"
    assert len(paths) == 160


@pytest.mark.real
def test_a_real_file_copied_in_text_mode_is_repaired_with_a_warning(assets: Path) -> None:
    path = assets / "corpora/timit-sample/dr1-fvmh0/sa1.wav"
    with pytest.warns(RepairWarning, match=r"sa1.wav in dr1-fvmh0: 1 byte"):
        sound = read_sound(path)
    head = path.read_bytes()[:1024]
    extremes = [int(head.split(name + b" -i ")[1].split()[0]) for name in (b"sample_min", b"sample_max")]
    assert [sound.samples.min() * 32768, sound.samples.max() * 32768] == extremes
