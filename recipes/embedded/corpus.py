"""Make the embedded corpus, or the training set that belongs to it.

    python recipes/embedded/corpus.py --split test                  # into data/demo, as it is shipped
    python recipes/embedded/corpus.py --split train --out DIR       # 128 other voices, three hours, in minutes
    python recipes/embedded/corpus.py --split dev --out DIR         # 8 others again

It needs libespeak-ng (Debian, Ubuntu: apt install libespeak-ng1) and is made with version 1.51. Another version,
or another version of soxr, makes a corpus that is as good but not the same; the recipe says so.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from espeak import RATE, VERSION, Phone, Speech, Voice, installed_version, speak_all
from grammar import Case, cases
from voices import SPLITS, speakers

from speechinterp.embedded import data_folder

DATA = data_folder()
SEED = 1
SOUND_RATE = 16000
SILENCE = 2205
"""Samples before and at least after the speech: 0.1 s."""
GRAIN = 441
"""Lengths are multiples of 20 ms, so that they are whole samples at 22050 and at 16000 Hz."""
FACTORS = ["number", "homophones", "cue_place", "cue_distance"]
FACTORS += ["action", "object", "place", "carrier", "form", "assimilates_to"]
COLUMNS = ["utterance", "speaker", "split", "type", "transcript", "target", "cue", "pair", *FACTORS]


class Interval(NamedTuple):
    """A labelled stretch, in samples at 22050 Hz."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Made:
    """An utterance that was spoken: sound at 16 kHz, its length at 22050 Hz, tiers."""

    samples: npt.NDArray[np.float32]
    length: int
    tiers: dict[str, list[Interval]]


def main() -> None:
    """Make one split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=list(SPLITS), required=True)
    parser.add_argument("--out", type=Path, help="folder; data/demo for --split test")
    parser.add_argument("--record", action="store_true", help="take the checksums of what was made for right")
    arguments = parser.parse_args()
    if arguments.out is None and arguments.split != "test":
        parser.error(f"--split {arguments.split} needs --out DIR: only the test split is shipped")
    out = arguments.out or DATA / "demo"
    version = installed_version()
    if version not in (None, VERSION):
        print(f"espeak-ng {version} is installed; the shipped corpus was made with {VERSION} and will differ")
    seconds = 0.0
    rows = []
    for row, made in utterances(arguments.split):
        write(out / row["utterance"], made)
        rows.append(row)
        seconds += made.length / RATE
    write_table(out / "utterances.csv", COLUMNS, rows)
    write_table(
        out / "speakers.csv",
        ["speaker", "split", "sex", *Voice.__annotations__],
        speaker_rows(arguments.split),
    )
    if out.resolve() != (DATA / "demo").resolve():
        shutil.copy(DATA / "demo/phones.csv", out / "phones.csv")
    else:
        check_sums(arguments.record)
    print(
        f"{len(rows)} utterances, {len({r['speaker'] for r in rows})} speakers, {seconds / 60:.1f} minutes: {out}"
    )


def utterances(split: str) -> Iterator[tuple[dict[str, str], Made]]:
    """Speak all cases of a split; every one comes with its row of the table."""
    _, n_speakers, n_sentences = SPLITS[split]
    voices = speakers(split, SEED)
    found = cases(split, n_speakers, n_sentences, SEED)
    names = list(voices)
    spoken = speak_all((as_spoken(case), voices[names[case.voice]][0]) for case in found)
    numbers: dict[tuple[int, str], int] = {}
    for group in _together(zip(found, spoken, strict=True)):
        for case, made in zip([case for case, _ in group], finish(group), strict=True):
            key = case.voice, case.type
            numbers[key] = numbers.get(key, 0) + 1
            speaker = names[case.voice]
            row = {
                "utterance": f"{speaker}/{case.type}-{numbers[key]:02d}",
                "speaker": speaker,
                "split": split,
                **{name: getattr(case, name) for name in ("type", "transcript", "target", "cue", "pair")},
                **case.factors,
            }
            yield row, made


def as_spoken(case: Case) -> str:
    """Return what espeak is given: "the" as phonemes, because it would join "in the" into one word."""
    return " ".join("[[D@2]]" if word == "the" else word for word in (case.spoken or case.transcript).split())


def _together(spoken: Iterable[tuple[Case, Speech]]) -> Iterator[list[tuple[Case, Speech]]]:
    """Group what differs in the cue alone; it follows each other."""
    group: list[tuple[Case, Speech]] = []
    for case, speech in spoken:
        if group and not (case.pair and case.pair == group[0][0].pair):
            yield group
            group = []
        group.append((case, speech))
    if group:
        yield group


def finish(group: Sequence[tuple[Case, Speech]]) -> list[Made]:
    """Return sound and tiers of cases that belong together; they become equally long."""
    speech_ends = max(speech.phones[-1].end for _, speech in group)
    length = math.ceil((SILENCE + speech_ends + SILENCE) / GRAIN) * GRAIN
    cues = differing([speech for _, speech in group]) if group[0][0].type == "contrast" else None
    found = []
    for number, (case, speech) in enumerate(group):
        sound = np.zeros(length, dtype=np.float32)
        samples = speech.samples[: speech.phones[-1].end]
        if np.abs(samples.astype(np.int32)).max() >= 32767:
            raise SystemExit(f"{case.transcript!r} is clipped: lower the volume in espeak.py")
        sound[SILENCE : SILENCE + len(samples)] = samples / np.float32(32768)
        tiers = tiers_of(case, speech, None if cues is None else cues[number])
        found.append(Made(soxr.resample(sound, RATE, SOUND_RATE, quality="VHQ"), length, tiers))
    return found


def differing(speeches: Sequence[Speech]) -> list[int]:
    """Return the number of the phone in which two utterances differ, for both.

    Raises
    ------
    SystemExit
        If they differ in more than one.
    """
    one, other = ([phone.label for phone in speech.phones] for speech in speeches)
    places = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(places) != 1:
        raise SystemExit(f"{one} and {other} differ in {len(places)} phones")
    return places * 2


def tiers_of(case: Case, speech: Speech, cue: int | None) -> dict[str, list[Interval]]:
    """Return the tiers; `cue` is the number of a phone, where that is the cue."""
    labels = phone_labels()
    phones = [Interval(p.start + SILENCE, p.end + SILENCE, labels[p.label]) for p in speech.phones]
    by_word: dict[int, list[Phone]] = {}
    for phone in speech.phones:
        by_word.setdefault(phone.word, []).append(phone)
    words = case.transcript.split()
    if len(by_word) != len(words):
        raise SystemExit(f"espeak says {case.transcript!r} as {len(by_word)} words; change the sentence")
    spans = [
        Interval(inside[0].start + SILENCE, inside[-1].end + SILENCE, word)
        for word, inside in zip(words, by_word.values(), strict=True)
    ]
    return {
        "words": spans,
        "phones": phones,
        "cue": [spans[i] for i in case.cues] if cue is None else [phones[cue]],
    }


def phone_labels() -> dict[str, str]:
    """Return the label of every phoneme of espeak's that occurs."""
    with (DATA / "demo/phones.csv").open(encoding="utf-8", newline="") as file:
        return {name: row["label"] for row in csv.DictReader(file) for name in row["espeak"].split()}


def write(path: Path, made: Made) -> None:
    """Write sound and TextGrid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path.with_suffix(".flac"), made.samples, SOUND_RATE, subtype="PCM_16", compression_level=1.0
    )
    path.with_suffix(".TextGrid").write_text(textgrid(made), encoding="utf-8", newline="\n")


def textgrid(made: Made) -> str:
    """Return the long text form, with all digits of the times."""
    end = made.length / RATE
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end!r}"]
    lines += ["tiers? <exists>", f"size = {len(made.tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(made.tiers.items(), 1):
        filled = list(_without_gaps(intervals, made.length))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end!r}", f"        intervals: size = {len(filled)}"]
        for place, (start, stop, label) in enumerate(filled, 1):
            lines += [f"        intervals [{place}]:", f"            xmin = {start / RATE!r}"]
            lines += [f"            xmax = {stop / RATE!r}", f'            text = "{label}"']
    return "\n".join(lines) + "\n"


def _without_gaps(intervals: Iterable[Interval], length: int) -> Iterator[Interval]:
    last = 0
    for each in intervals:
        if each.start > last:
            yield Interval(last, each.start, "")
        yield each
        last = each.end
    if last < length:
        yield Interval(last, length, "")


def speaker_rows(split: str) -> list[dict[str, str]]:
    """Return the table of speakers."""
    return [
        {
            "speaker": name,
            "split": split,
            "sex": sex,
            **{key: str(value) for key, value in asdict(voice).items()},
        }
        for name, (voice, sex) in speakers(split, SEED).items()
    ]


def write_table(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    """Write a table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def check_sums(record: bool) -> None:
    """Compare data/demo with the recorded checksums, or record them."""
    sums = DATA / "checksums.sha256"
    before = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    files = sorted(path for path in (DATA / "demo").rglob("*") if path.is_file())
    demo = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(DATA).as_posix()}"
        for path in files
    ]
    other = [line for line in before if not line.partition("  ")[2].startswith("demo/")]
    differ = set(before) ^ {*demo, *other}
    if record:
        sums.write_text(
            "".join(f"{line}\n" for line in sorted([*demo, *other], key=lambda x: x[66:])), encoding="utf-8"
        )
    elif differ:
        raise SystemExit(
            f"{len({line[66:] for line in differ})} files of data/demo are not those that data/checksums.sha256 "
            f"records. Was it made with espeak-ng {VERSION}? Take the shipped ones: git checkout -- data/demo"
        )


if __name__ == "__main__":
    main()
