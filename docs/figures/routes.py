"""Routes to the token that decides how a homophone is spelt."""

import matplotlib.pyplot as plt

import speechinterp as si
from speechinterp.viz import plot_routes

utterance = si.load_corpus("demo?type=homophone")["aunty/homophone-01"]
model = si.load_model("demo/whisper")
routes = si.mixing.routes(
    model, utterance, unit="words", target=4, stack="decoder", tokens=utterance.transcript, mass=0.8
)
_, axes = plt.subplots(figsize=(8.6, 7.2), layout="constrained")
plot_routes(routes, axes)
