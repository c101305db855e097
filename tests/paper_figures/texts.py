"""What stands on the panels of every figure: title, x axis, y axis, without what is
measured.
"""

from __future__ import annotations

import re

from matplotlib.figure import Figure


def texts(figure: Figure) -> list[tuple[str, str, str]]:
    """(title, x, y) of each panel, once each; a title with numbers in it is left out,
    for they may be those of the runs.
    """
    found = []
    for axes in figure.axes:
        title = " ".join((axes.get_title(loc="left") or axes.get_title()).split())
        labels = axes.get_xlabel().split("\n")[0], axes.get_ylabel()
        x, y = (re.sub(r" \(\d+% of the variance\)", "", label) for label in labels)
        found.append(("" if re.search(r"\d", title) else title, x, y))
    return [one for one in dict.fromkeys(found) if any(one)]


FRACTION = "training fraction |D|/|D0|"
NORM = r"weight norm, in units of the usual initial one, $\alpha$"
DECODER_LR = r"learning rate of the decoder $\eta_d$"

TEXTS: dict[str, list[tuple[str, str, str]]] = {
    "fig1": [
        ("", "first component", "second component"),
        ("(e)", "steps", "accuracy"),
        ("(f)", "steps", "effective dimension $e^S$"),
    ],
    "fig2": [("", "$E_1$", "$E_2$")],
    "fig3": [("(a)", FRACTION, "accuracy on D0"), ("(b)", FRACTION, ""), ("(c)", "predicted accuracy", "")],
    "fig4": [
        ("(a)", FRACTION, "probability"),
        ("(b)", FRACTION, "steps to RQI > 0.95"),
        ("(c)", "steps", "standardised embedding $E_k$"),
        ("(d)", "steps", ""),
    ],
    "fig5": [("(a)", FRACTION, r"$\lambda_3$ of $H$"), ("(b)", FRACTION, "steps")],
    "fig6": [
        ("(a) Learning rates, regression", r"learning rate of the embeddings $\eta_r$", DECODER_LR),
        ("(b) Decoder, regression", DECODER_LR, "weight decay of the decoder"),
        ("(c) Decoder, classification", DECODER_LR, "weight decay of the decoder"),
        ("", DECODER_LR, "weight decay of the decoder"),
    ],
    "fig7": [
        ("", "steps", "effective dimension $e^S$"),
        ("(b)", "dropout", "steps to test accuracy 0.95"),
        ("(c) phases of learning", "learning rate of the decoder", "weight decay of the decoder"),
    ],
    "fig8": [
        ("(a)", "steps", "accuracy"),
        ("", "learning rate of the last layer", "weight decay"),
        ("(c) last hidden layer, training digits", "steps", "within-class share of $Z$"),
        ("(d) without a clock", "within-class share of $Z$", r"distance of class means / $\sqrt{Z/n}$"),
    ],
    "fig9": [
        ("", "steps", "standardised embedding $E_k$"),
        ("", "steps", ""),
        ("(c)", "training-set size |D|", "share of training sets / networks"),
    ],
    "fig10": [("", FRACTION, "RQI"), ("", FRACTION, "accuracy")],
    "fig11": [
        ("(a)", "upwards: more equations, fewer degrees of freedom", ""),
        ("(b)", "training-set size |D|", "share of the training sets of that size"),
    ],
    "fig12": [
        ("(a)", "upwards: more equations, fewer degrees of freedom", ""),
        ("", "realised by the network", "determined by the training set"),
    ],
    "fig13": [
        ("(a) Batch size, regression", DECODER_LR, "batch size (samples)"),
        ("(b) Batch size, classification", DECODER_LR, "batch size (samples)"),
    ],
    "fig14": [
        ("(a) Initial scale of the embeddings, regression", DECODER_LR, "initial scale of the embeddings $s$"),
        ("(b) Initial scale of the embeddings, classification", DECODER_LR, "initial scale of the embeddings $s$"),
    ],
    "fig15": [
        ("(a) Weight decay of the embeddings, regression", DECODER_LR, "weight decay of the embeddings"),
        ("(b) Weight decay of the embeddings, classification", DECODER_LR, "weight decay of the embeddings"),
    ],
    "fig16": [("(a)", FRACTION, "RQI"), ("(b)", FRACTION, "steps to RQI > 0.95")],
    "fig17": [
        ("(a)", FRACTION, "accuracy on D0"),
        ("(b)", FRACTION, "predicted accuracy"),
        ("(c)", "predicted accuracy", "accuracy on D0"),
    ],
    "fig18": [("before training", "PC1", "PC2"), ("", "PC1", "PC3"), ("", "PC2", "PC3"), ("", "PC1", "PC2")],
    "fig19": [
        ("", r"$f_1$ / $\sqrt{Z/n}$", r"$f_2$ / $\sqrt{Z/n}$"),
        ("", "network: steps", "within-class share of $Z$"),
        ("", "network: steps", r"distance of class means / $\sqrt{Z/n}$"),
        ("", "network: steps", "smallest distance / deviation"),
        ("", "theory: e-foldings", ""),
    ],
    "fig20": [("", "training digits", "steps")],
    "fig21": [("", "first component of the last", "second")],
    "fig22": [("", "principal components kept", "accuracy (dashed: training samples)")],
    "omnigrok2": [
        ("(a) trained at constant norm", NORM, "loss"),
        ("", "steps", "accuracy"),
        ("", r"weight decay $\gamma$", "steps"),
    ],
    "omnigrok3": [
        ("(a) accuracy", "steps", "accuracy"),
        ("(b) weight norm", "steps", r"norm of all weights $\|\theta\|$"),
        ("(c) training error at constant norm", NORM, "training digits"),
        ("(d) test error at constant norm", NORM, "training digits"),
        ("", "", "share that is wrong"),
    ],
    "omnigrok4": [
        ("(a) accuracy", "steps", "accuracy"),
        ("(b) training loss at constant norm", NORM, "loss"),
        ("(b) test error at constant norm", NORM, "share of test reviews that are wrong"),
    ],
    "omnigrok5": [("", "steps", "loss"), ("(b) at constant norm", NORM, "loss")],
    "omnigrok7": [("", "steps", "accuracy"), ("(c) weight norm", "steps", r"norm of all weights $\|\theta\|$")],
    "omnigrok8": [
        ("(a) training error", NORM, "messiness $m$"),
        ("(b) test error", NORM, "messiness $m$"),
        ("", "", "share that is wrong"),
    ],
    "omnigrok10": [
        ("", NORM, "loss"),
        ("(b) training error", NORM, "training fraction"),
        ("(c) test error", NORM, "training fraction"),
        ("", "", "share that is wrong"),
    ],
    "omnigrok11": [("", r"weight decay $\gamma$", "steps")],
    "omnigrok12": [("", "steps", "accuracy"), ("(b) at constant norm", NORM, "share of test digits that are wrong")],
}
