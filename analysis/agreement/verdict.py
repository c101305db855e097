"""The numbers in words: what agrees and what does not. Every sentence follows from an interval or a count of
the report.
"""

from __future__ import annotations

from analysis.agreement.predictions import PREDICTORS, SETTING, TARGETS
from analysis.agreement.scores import NULL_MODEL, Entry

NAMES = {
    "inverse_lambda3": "Z0/(lambda_3 eta)",
    "exact_flow": "exact gradient flow",
    "optimizer_flow": "optimiser-aware flow",
    "training_fraction": "training fraction (null model)",
}
TARGETS_IN_WORDS = {"rqi": "RQI > 0.95", "train": "train accuracy 0.9", "test": "test accuracy 0.9"}
# A median ratio of measured to predicted steps in this band counts as the right absolute time.
_RIGHT_TIME = (0.8, 1.25)
# With fewer runs that got there, a bootstrap interval of an order is not to be trusted.
_ENOUGH = 10


def verdict(time: list[Entry], probability: list[Entry], calibration: list[Entry], accuracy: Entry) -> list[str]:
    """Sentences on success, order and size of the times for each setting, then on accuracy."""
    sentences = []
    for chance in calibration:
        setting = {name: chance[name] for name in SETTING}
        label = f"eta_r = {setting['repr_lr']:g}, eta_d = {setting['decoder_lr']:g}"
        shares = [entry for entry in probability if setting.items() <= entry.items()]
        entries = [entry for entry in time if setting.items() <= entry.items()]
        by_target = {
            target: {entry["predictor"]: entry for entry in entries if entry["target"] == target} for target in TARGETS
        }
        here = _success(chance, shares) + _order(by_target["rqi"]) + _absolute(by_target["rqi"])
        here += [sentence for target in ("train", "test") for sentence in _beyond(target, by_target[target])]
        sentences += [f"**{label}.** {here[0]}", *here[1:]]
    return sentences + _accuracy(accuracy)


def _success(chance: Entry, shares: list[Entry]) -> list[str]:
    beats = chance["brier"] < chance["brier_base_rate"]
    told = (
        f"P(linear) says {chance['mean_predicted']:.0%} of the runs succeed, {chance['mean_measured']:.0%} did; "
        f"its Brier score {chance['brier']:.3f} is {'better' if beats else 'no better'} than that of "
        f"always saying the overall share ({chance['brier_base_rate']:.3f})."
    )
    outside = [
        str(entry["n_train"])
        for entry in shares
        if not entry["measured_interval"][0] <= entry["predicted"] <= entry["measured_interval"][1]
    ]
    sizes = (
        f"At {len(outside)} of {len(shares)} sizes ({', '.join(outside)}) P(linear) lies outside "
        if outside
        else f"At all {len(shares)} sizes P(linear) lies inside "
    ) + "the 95 % interval of the measured share."
    n_linear = chance["linear_and_success"] + chance["linear_and_failure"]
    n_other = chance["not_linear_and_success"] + chance["not_linear_and_failure"]
    sentences = [told, sizes]
    if n_linear:
        sentences.append(
            f"A unique linear representation was not enough: {chance['linear_and_failure']} of {n_linear} runs "
            "that had one failed within the budget."
            if chance["linear_and_failure"]
            else f"All {n_linear} runs with a unique linear representation succeeded."
        )
    if n_other:
        sentences.append(
            f"A unique linear representation was not necessary: {chance['not_linear_and_success']} of {n_other} runs "
            "without one succeeded."
            if chance["not_linear_and_success"]
            else f"None of the {n_other} runs without one succeeded, as the theory says."
        )
    return sentences


def _judged(times: dict[str, Entry]) -> bool:
    """Whether the order of the times can be: enough runs got there, and not all at once."""
    return times[NULL_MODEL]["n_observed"] >= _ENOUGH and all(entry["interval"] for entry in times.values())


def _order(times: dict[str, Entry]) -> list[str]:
    null = times[NULL_MODEL]
    if not _judged(times):
        return [f"The order of the times to RQI > 0.95 is not judged: {null['n_observed']} runs got there."]
    sentences = [
        f"Order of the times to RQI > 0.95: the null model (training fraction) has concordance {null['c_index']:.2f}."
    ]
    for name in PREDICTORS:
        if name == NULL_MODEL:
            continue
        entry = times[name]
        gain, within = entry["gain_over_null_interval"], entry["interval_within_size"]
        against = "beats it" if gain[0] > 0 else "is worse" if gain[1] < 0 else "cannot be told from it"
        inside = "within one size nothing can be said"
        if within is not None:
            informed = "carries" if within[0] > 0.5 else "misleads:" if within[1] < 0.5 else "shows no certain"
            inside = (
                f"within one size it {informed} information "
                f"({entry['c_index_within_size']:.2f} [{within[0]:.2f}, {within[1]:.2f}])"
            )
        sentences.append(f"The {NAMES[name]} ({entry['c_index']:.2f}) {against}; {inside}.")
    return sentences


def _beyond(target: str, times: dict[str, Entry]) -> list[str]:
    """Which predictors of the embeddings' times also tell the order of this accuracy's."""
    if not times or not _judged(times):
        return []
    null = times[NULL_MODEL]
    better = [
        NAMES[name]
        for name, entry in times.items()
        if name != NULL_MODEL and entry["gain_over_null_interval"][0] > 0 and entry["interval"][0] > 0.5
    ]
    reversed_ = " (small training sets get there first)" if null["interval"][1] < 0.5 else ""
    return [
        f"Order of the times to {TARGETS_IN_WORDS[target]}: the null model has concordance {null['c_index']:.2f}"
        f"{reversed_}; {' and '.join(better) or 'none of the others'} {'beat' if len(better) > 1 else 'beats'} it."
    ]


def _absolute(times: dict[str, Entry]) -> list[str]:
    told = []
    for name in PREDICTORS:
        ratio = times[name].get("ratio")
        if not ratio or ratio["observed_only"][1] is None:
            continue
        seen = ratio["observed_only"][1]
        low, high = _RIGHT_TIME
        judged = "about right" if low <= seen <= high else "too early" if seen > 1 else "too late"
        median = ratio["median"]
        everyone = "beyond the budget" if median is None else f"{median:.2g}"
        told.append(f"{NAMES[name]} {judged}, {seen:.2g} ({everyone})")
    if not told:
        return []
    return [
        "Measured over predicted steps, median among the runs that got there (counting those that did not): "
        + "; ".join(told)
        + "."
    ]


def _accuracy(accuracy: Entry) -> list[str]:
    sentences = []
    for prefix, name in (("", "predicted accuracy (of the trained embedding)"), ("ideal_", "ideal accuracy")):
        error, r = accuracy[f"{prefix}mean_absolute_error"], accuracy[f"{prefix}pearson_r"]
        if error is None:
            continue
        bias = accuracy[f"{prefix}mean_error"]
        sentences.append(
            f"**Accuracy** against the {name}: correlation {'not defined' if r is None else f'{r:.2f}'}, "
            f"mean absolute error {error:.3f}, on average {abs(bias):.3f} too {'high' if bias > 0 else 'low'}; "
            f"the network was above it in {accuracy[f'{prefix}n_accuracy_above']} of "
            f"{accuracy[f'{prefix}n']} runs."
        )
    return sentences
