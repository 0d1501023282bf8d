"""What does a model see of one recording: which frames, how much padding, which words, and where?

    python recipes/01_own_recording.py                                     # a sentence of the embedded corpus
    python recipes/01_own_recording.py --audio my.wav --text "what I said"
    python recipes/01_own_recording.py --audio my.wav --model openai/whisper-tiny.en    # aligns what the model writes

An annotation beside the sound (`my.TextGrid`, `my.eaf`) is read with it. Writes `geometry.csv` (hop, receptive field
and padding), `frames.csv` (when every frame is, what it sees, and in which word its centre lies), `words.csv` with
what the model writes and where it finds each word, `ID.TextGrid` for Praat, and two figures. CTC models align with
torchaudio, Whisper without; a model that writes no text is shown its frames alone.

After de Heer Kloots, M., Mohebbi, H., Pouw, C., Shen, G., Zuidema, W., & Bentum, M. (2025). Interpretability techniques
for speech models. Tutorial at Interspeech.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
from geometry import frames_of
from study import study

import speechinterp as si
from speechinterp.report import Player, Row
from speechinterp.viz import plot_alignment, plot_frames


def main() -> None:
    """Count frames, transcribe, align, draw."""
    with study(__doc__, corpus="demo?type=sentence", utterances=1, audio="", text="") as this:
        this.asked.corpus = this.asked.audio or this.asked.corpus
        utterance, model = next(iter(this.corpus)), this.model
        if this.writes:
            written = model.transcribe(utterance)
            text = this.asked.text or utterance.transcript or written
            found = si.align(model, utterance, text=text)
            name = f"{Path(utterance.id).name}.TextGrid"
            this.out.mkdir(parents=True, exist_ok=True)
            si.write_annotation(this.out / name, found, audio=utterance.audio)
            words = pd.DataFrame([asdict(word) for word in found["words"]])
            says = f"{model.id} writes {written!r}; aligned with {text!r}, see {name}"
            this.write("words", words, plot_alignment(utterance, found), says)
            segments = list(found["words"])
            row = Row("found words", segments, [0.0] * len(segments))
            this.sections.append(
                Player(utterance.id, utterance.waveform(model.sample_rate), model.sample_rate, [row])
            )
            utterance = replace(utterance, tiers={**found, **utterance.tiers})
        geometry, frames = frames_of(model, utterance)
        about = geometry.iloc[0]
        says = (
            f"{about.frames:.0f} frames, one every {about.hop_ms:g} ms, each of {about.receptive_field_ms:g} ms; "
            f"{about.padding:.0f} more of padding ({about.padding_share:.0%})"
        )
        this.write("geometry", geometry, says=says)
        middle = utterance.duration / 2
        words = utterance.tiers.get("words") or [si.Segment(max(0, middle - 0.1), middle + 0.1, "")]
        shown = max(
            (word for word in words if word.end - word.start < 1), key=lambda word: word.end - word.start
        )
        figure = plot_frames(utterance, model.frames(utterance), shown.start, shown.end, label=shown.label)
        this.write("frames", frames, figure, f"the frames around {shown.label or 'the middle'!r} are drawn")


if __name__ == "__main__":
    main()
