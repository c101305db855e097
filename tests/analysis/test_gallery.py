"""The gallery: it finds the planes that runs span, its numbers are the runs', its page
needs nothing else, and works in a real browser by pointer, by keyboard and on a phone.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from analysis.gallery import __main__ as command
from analysis.gallery.__main__ import Arguments, animations, gallery, most_telling, thinned, with_results
from analysis.gallery.planes import find_planes
from analysis.predictors.catalogue import CATALOGUE, predict
from analysis.runs.phases import COLOURS, PHASES, Thresholds
from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore, StoreError, key
from analysis.runs.traces import traces_folder, traces_path
from neural import ModularConfig, RunConfig, train_runs
from neural.command import run_command
from neural.families.modular import Modular
from neural.families.toy import Toy
from tests.browser import CHROMIUM, DRIVER, browser

TOY = RunConfig(p=5, n_train=10, width=8, budget=150)
RATES, DECAYS = Axis("repr_lr", (1e-3, 1e-2, 1e-1)), Axis("decoder_wd", (0.0, 1.0, 2.0))
SIZES = Axis("n_train", (6, 8, 12))
PERCEPTRON = ModularConfig(network="perceptron", p=7, d=3, width=16, fraction=0.6, look_every=5, budget=100)
SCALES = Axis("init_scale", (0.1, 0.3, 1.0))
PREDICTED = grid(TOY, [SIZES], 2)
TOYS = grid(TOY, [RATES, DECAYS], 2)
CONFIGS = [*TOYS, *PREDICTED, *grid(PERCEPTRON, [SCALES], 2)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    with RunStore(tmp_path_factory.mktemp("store") / "runs.sqlite") as filled:
        for history in train_runs(CONFIGS, device="cpu", compiled=False):
            filled.add(history, "cpu", "test")
        predict(filled, filled.table(PREDICTED), [CATALOGUE["exact_flow"], CATALOGUE["inverse_lambda3"]])
        predict(filled, filled.table(PREDICTED[1:]), [CATALOGUE["optimizer_flow"], CATALOGUE["unique"]])
        yield filled


@pytest.fixture(scope="module")
def page(store: RunStore) -> str:
    return gallery(store, Thresholds(), 1_000, 1_000, 4)


def content_of(page: str) -> dict[str, Any]:
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


@pytest.fixture(scope="module")
def content(page: str) -> dict[str, Any]:
    return content_of(page)


def test_planes_are_the_grids_that_were_trained(store: RunStore) -> None:
    two, one = find_planes(store.settings(Toy, 1_000), Toy)
    assert [axis.field for axis in two.axes] == ["repr_lr", "decoder_wd"]
    assert [set(axis.values) for axis in two.axes] == [set(RATES.values), set(DECAYS.values)]
    assert two.axes[0].log
    assert (len(two.runs), two.shared) == (18, {"n_train": 10})
    assert [axis.field for axis in one.axes] == ["n_train"]
    assert set(SIZES.values) <= set(one.axes[0].values)
    [line] = find_planes(store.settings(Modular, 1_000), Modular)
    assert [axis.values for axis in line.axes] == [SCALES.values]
    assert len(line.runs) == 6


def test_what_runs_may_differ_in(store: RunStore) -> None:
    toy, modular = store.settings(Toy, 1_000), store.settings(Modular, 1_000)
    sizes = toy["n_train"].map({6: 2.0, 8: 4.0}.get)  # None is a value like others
    [plane] = find_planes(toy[toy["n_train"] != 10].assign(batch_size=sizes, n_train=10), Toy)
    assert set(plane.axes[0].values) == {2, 4, None}
    both = pd.concat([modular.assign(constrained=k) for k in (0, 1)], ignore_index=True)  # as sqlite gives them back
    [plane] = find_planes(both, Modular)
    assert [set(axis.values) for axis in plane.axes] == [set(SCALES.values), {False, True}]
    # other checkpoints make no second run, training sets that were given no plane
    [plane] = find_planes(pd.concat([modular, modular.assign(checkpoints=0)], ignore_index=True), Modular)
    assert len(plane.runs) == 6
    assert find_planes(toy.assign(samples="3ff"), Toy) == []


def test_a_stray_run_does_not_dissolve_a_plane(store: RunStore) -> None:
    runs = store.table(TOYS)
    stray = runs.head(1).assign(repr_lr=5e-3, decoder_wd=0.5)
    planes = find_planes(pd.concat([runs, stray], ignore_index=True), Toy)
    assert [axis.values for axis in planes[0].axes] == [RATES.values, DECAYS.values]
    assert len(planes[0].runs) == 18


@pytest.mark.parametrize(("most", "n"), [(32, 3), (31, 2), (26, 2), (25, 1), (1, 1)])
def test_as_many_planes_as_there_is_room_for(store: RunStore, most: int, n: int) -> None:
    """They have 18, 8 and 6 runs."""
    found = content_of(gallery(store, Thresholds(), 1_000, most, 0))
    assert [plane["n"] for plane in found["planes"]] == [18, 8, 6][:n]


def test_cells_have_the_runs_that_were_trained(content: dict[str, Any], store: RunStore) -> None:
    plane = content["planes"][0]
    assert plane["n"] == 18
    assert plane["title"] == "toy: learning rate of the embeddings and weight decay of the decoder"
    for one in content["planes"]:
        assert one["opens"] == most_telling([cell["runs"] for cell in one["cells"]])
    assert plane["axes"][0]["values"] == ["0.001", "0.01", "0.1"]
    assert sorted(map(tuple, (cell["at"] for cell in plane["cells"]))) == list(product(range(3), range(3)))
    for cell in plane["cells"]:
        x, y = cell["at"]
        here = dataclasses.replace(TOY, repr_lr=RATES.values[x], decoder_wd=DECAYS.values[y])
        assert [run["seed"] for run in cell["runs"]] == ["0", "1"]
        for run, row in zip(cell["runs"], store.table(grid(here, [], 2)).to_dict("records"), strict=True):
            measured = [row["steps_to_train"], row["steps_to_test"]]
            assert [run["train"], run["test"]] == [None if np.isnan(steps) else steps for steps in measured]
            assert (PHASES[run["phase"]] == "confusion") == np.isnan(measured).all()
            steps, train, test = run["curve"]
            assert steps[0] == 0
            assert len(steps) == len(train) == len(test) <= command.POINTS
            assert [train[-1], test[-1]] == [round(100 * row[f"{of}_accuracy"]) for of in ("train", "test")]


@pytest.mark.parametrize(
    ("cells", "opens"),
    [
        ([[(10, None)], [(10, 20)], [(100, 2_000), (10, None)], [(1_000, 2_500)]], 2),  # late by twenty times
        ([[(10, None)], [(None, None)], [(20, 10)]], 2),  # nothing late
        ([[(None, None)], [(None, 30)]], 1),
        ([[(None, None)], [(10, None)]], 0),  # nothing generalises
    ],
)
def test_the_cell_that_opens_groks(cells: list[list[tuple]], opens: int) -> None:
    """Not the first one, which may only have memorised."""
    assert most_telling([[{"train": train, "test": test} for train, test in runs] for runs in cells]) == opens


def test_theory_beside_experiment_is_the_stores(content: dict[str, Any], store: RunStore) -> None:
    """Of predictors of steps; False where one said nothing of a run."""
    theory, kept = content["theory"], store.predictions().query("target == 'rqi'")
    names = ["optimizer_flow", "exact_flow", "inverse_lambda3"]
    assert theory["predictors"] == [CATALOGUE[name].title for name in names]
    told = kept.set_index(["key", "predictor"])["value"]
    rows = {(row["n_train"], row["seed"]): row for row in store.table(PREDICTED).to_dict("records")}
    assert len(theory["runs"]) == len(rows) == 6
    for run in theory["runs"]:
        row = rows[run["n"], run["seed"]]
        steps = [told.get((row["key"], name)) for name in names]
        assert run["predicted"] == [x is not None and (round(x) if np.isfinite(x) else None) for x in steps]
        assert run["measured"] == (None if np.isnan(row["steps_to_rqi"]) else row["steps_to_rqi"])
    assert [run["predicted"][0] for run in theory["runs"]].count(False) == 1


def test_films_show_the_embeddings_that_were_kept(content: dict[str, Any], store: RunStore) -> None:
    films = content["films"]
    assert len(films) == 3  # a plane each
    toy, perceptron = films[0], films[-1]
    assert toy["axes"][0] == "symbol"
    titles = {f"toy, repr_lr {run.repr_lr:.3g}, decoder_wd {run.decoder_wd:.3g}, seed {run.seed}": run for run in TOYS}
    curves = store.curves(titles[toy["title"]])
    wanted = np.hstack([np.arange(5)[:, None], curves["embedding"][-1]])
    np.testing.assert_allclose(toy["places"][-1], wanted, rtol=6e-3)
    assert toy["steps"][-1] == curves["steps"][-1]
    assert {len(frame) for frame in perceptron["places"]} == {7}
    last = np.array(perceptron["places"][-1], float)
    assert np.abs(last[:, 0]).max() > 0
    assert last[:, 0].var() >= last[:, 1].var()  # the first component is the first
    for film in films:
        assert len(film["steps"]) == len(film["places"]) == len(film["test"]) <= command.FRAMES
        assert film["steps"] == sorted(film["steps"])


def test_a_film_is_of_the_run_that_generalised_best(store: RunStore) -> None:
    """Not of one that had nothing to be tested on."""
    [line] = [with_results(plane, store) for plane in find_planes(store.settings(Modular, 1_000), Modular)]
    runs = line.runs.assign(test_accuracy=[0.1, 0.2, np.nan, 0.4, 0.5, 0.6])
    [film] = animations([dataclasses.replace(line, runs=runs)], store, 1)
    best = runs.iloc[-1]
    assert film["title"] == f"modular, init_scale {best['init_scale']:.3g}, seed {best['seed']}"
    assert animations([line], store, 0) == []


@given(st.integers(1, 5_000), st.integers(3, 100))
def test_thinned(n: int, most: int) -> None:
    """Both ends, in order, each once, no more than asked for; all where they fit."""
    found = thinned(n, most)
    assert [found[0], found[-1]] == [0, n - 1]
    assert (np.diff(found) > 0).all()
    assert len(found) <= most < n or len(found) == n


def test_the_page_needs_nothing_else(page: str) -> None:
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\b(src|href)=|@import|url\(|fetch\(|XMLHttp", page)
    assert page.count("</script>") == 2


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_runs_without_their_traces_are_shown_without_curves(tmp_path: Path, capsys, damage: str) -> None:
    """The page says how many, and the command what to do."""
    with RunStore(tmp_path / "runs.sqlite") as other:
        for history in train_runs(configs := grid(PERCEPTRON, [SCALES], 1), device="cpu", compiled=False):
            other.add(history, "cpu", "test")
        path = traces_path(other.path, key(configs[0]))
        content = path.read_bytes()
        path.unlink()
        if damage == "cut":
            path.write_bytes(content[:-10])
        page = gallery(other, Thresholds(), 1_000, 1_000, 4)
        assert animations([with_results(p, other) for p in find_planes(other.settings(Modular, 3), Modular)], other, 4)
    assert "3 of them on this page, 1 without their curves, whose traces are gone" in page
    assert page.count('"curve":[[0],[null],[null]]') == 1
    err = capsys.readouterr().err
    assert "the traces of 1 of these runs are gone or damaged: run 1 (modular). " in err
    assert f"`python -m analysis.runs retrain --store {tmp_path / 'runs.sqlite'}`" in err


def test_planes_are_looked_for_among_the_newest_runs(store: RunStore) -> None:
    newest = store.settings(Toy, 6)
    pd.testing.assert_frame_equal(newest, store.settings(Toy, 1_000).tail(6).reset_index(drop=True))
    page = gallery(store, Thresholds(), 6, 1_000, 0)
    assert "30 runs are in the store; planes were looked for among the newest 12, 12 of them on this page" in page
    assert [plane["n"] for plane in content_of(page)["planes"]] == [6, 6]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE runs SET p = 'ten' WHERE rowid = 3", r"in run 3 \(toy\) of .* `p` must be 5, as its key says"),
        ("UPDATE runs SET test_record = '[]' WHERE rowid = 3", r"in run 3 \(toy\) of .* `test_record`"),
        ("UPDATE curves SET curves = 'null'", r"in run 1 \(toy\) of .* `curves` must be"),
        ("UPDATE predictions SET value = 'never'", "`value` of run 19 \\(toy\\) in .* is 'never'"),
        (
            "UPDATE runs_modular SET key = (SELECT key FROM runs WHERE rowid = 1) WHERE rowid = 3",
            r"in run 3 \(modular\) of .* `key` must be of family modular, but is 'toy'",
        ),
        ("DELETE FROM curves", r"in run 1 \(toy\) of .* `curves` must be"),
        ("DROP TABLE curves", "must be an undamaged run store, but .*: no such table: curves"),
        ("UPDATE runs SET key = '{}' WHERE rowid = 3", "must have configurations as the keys"),
    ],
)
def test_a_damaged_run_is_one_line(store, tmp_path, monkeypatch, capsys, damage, told) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(store.path.read_bytes())
    traces_folder(path).symlink_to(traces_folder(store.path))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(damage)
    err = refused(monkeypatch, capsys, "--store", path, "--out", tmp_path)
    assert err.splitlines()[-1].startswith("error: `store` must ")
    assert re.search(told, err)
    assert "Traceback" not in err


def test_what_runs_say_cannot_end_the_script(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "</script><script>alert(1)</script>"
    monkeypatch.setitem(COLOURS, "comprehension", hostile)
    assert hostile not in gallery(store, Thresholds(), 1_000, 1_000, 0)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["gallery", *map(str, words)])
    run_command(Arguments, command.main, command.PROG, (StoreError,))


def refused(monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: object) -> str:
    """What the command says on standard error, with status 1."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *words)
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_the_command(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    run(monkeypatch, "--store", store.path, "--out", tmp_path, "--films", 1)
    assert capsys.readouterr().out == f"{tmp_path / 'gallery.html'}\n"
    assert (tmp_path / "gallery.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--newest", 0], "`newest` must be an integer of at least 1, but is 0."),
        (["--most", 0], "`most` must be an integer of at least 1, but is 0."),
        (["--test-threshold", 1.5], "`test_threshold` must be a number above 0 and at most 1, but is 1.5."),
        (["--delay", 0], "`delay` must be a number of steps above 0, but is 0.0."),
        (["--store", "nowhere.sqlite"], "`store` must be a run store, but there is none at nowhere.sqlite."),
    ],
)
def test_nonsense_is_one_line(words, said, store, tmp_path, monkeypatch, capsys) -> None:
    assert refused(monkeypatch, capsys, "--store", store.path, "--out", tmp_path, *words) == f"error: {said}\n"


def test_a_store_without_a_plane_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    RunStore(tmp_path / "empty.sqlite").close()
    err = refused(monkeypatch, capsys, "--store", tmp_path / "empty.sqlite", "--out", tmp_path)
    assert "`store` must have runs of at least 3 settings" in err


# --- in a real browser


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("NO BROWSER: install chromium and chromium-driver to test the gallery in one")
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def shown(opened: Any, page: str, tmp_path: Path) -> Iterator[Any]:
    """The page, freshly loaded; in the end nothing may be wrong in the console."""
    (tmp_path / "gallery.html").write_text(page)
    opened.set_window_size(1100, 900)
    opened.get((tmp_path / "gallery.html").as_uri())
    yield opened
    assert opened.get_log("browser") == []


def text(shown: Any, selector: str) -> str:
    return shown.find_element("css selector", selector).text


def press(shown: Any, *keys: str) -> None:
    ActionChains(shown).send_keys(*keys).perform()


def test_a_cell_shows_its_runs_on_hover(shown: Any, content: dict[str, Any]) -> None:
    cells = shown.find_elements("css selector", "#map button")
    assert len(cells) == 9
    for cell in (cells[4], cells[8]):
        ActionChains(shown).move_to_element(cell).perform()
        where = text(shown, "#runs strong")
        assert cell.get_attribute("aria-label").startswith(where)
        assert len(shown.find_elements("css selector", "#runs tbody tr")) == 2
        assert len(shown.find_elements("css selector", "#runs polyline")) == 4  # train and test of two runs
    cells[8].click()  # stays, wherever the pointer goes
    ActionChains(shown).move_to_element(cells[0]).perform()
    assert cells[8].get_attribute("aria-label").startswith(text(shown, "#runs strong"))
    plane = content["planes"][0]
    middle = next(cell for cell in plane["cells"] if cell["at"] == [2, 0])  # the last button: right and below
    rows = [row.text.split() for row in shown.find_elements("css selector", "#runs tbody tr")]
    assert [PHASES[run["phase"]].split()[0] for run in middle["runs"]] == [row[1] for row in rows]


def test_cells_are_reached_by_keyboard(shown: Any) -> None:
    shown.execute_script("document.querySelector('#plane').focus()")
    press(shown, Keys.TAB)
    assert shown.switch_to.active_element.get_attribute("aria-pressed") == "true"
    press(shown, *[Keys.ARROW_LEFT, Keys.ARROW_UP] * 2)  # the corner: which cell opens depends on the runs
    before = text(shown, "#runs strong")
    press(shown, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    after = text(shown, "#runs strong")
    assert after != before
    assert shown.switch_to.active_element.get_attribute("aria-label").startswith(after)
    press(shown, Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert text(shown, "#runs strong") == before
    press(shown, Keys.ARROW_LEFT)  # there is nothing
    assert text(shown, "#runs strong") == before


def test_other_planes_and_predictors_can_be_chosen(shown: Any, content: dict[str, Any]) -> None:
    planes = Select(shown.find_element("id", "plane"))
    assert len(planes.options) == 3
    planes.select_by_index(2)
    buttons, plane = shown.find_elements("css selector", "#map button"), content["planes"][2]
    assert [button.get_attribute("aria-pressed") == "true" for button in buttons].index(True) == plane["opens"]
    for button, cell in zip(buttons, plane["cells"], strict=True):
        most, n = Counter(run["phase"] for run in cell["runs"]).most_common(1)[0]
        assert button.text == ("?" if 2 * n <= len(cell["runs"]) else content["phases"][most]["letter"])
    assert len(buttons) == 3
    predictors = Select(shown.find_element("id", "predictor"))
    places = []
    for number in (0, 1, 2):
        predictors.select_by_index(number)
        places.append([mark.get_attribute("cx") for mark in shown.find_elements("css selector", "#scatter circle")])
    assert [len(of_one) for of_one in places] == [5, 6, 6]  # of one run the first says nothing
    assert places[1] != places[2]


def test_a_mark_says_its_run_by_pointer_and_by_keyboard(shown: Any) -> None:
    assert text(shown, "#point").startswith("5 runs")
    ActionChains(shown).move_to_element(shown.find_element("css selector", "#scatter circle")).perform()
    assert "measured" in text(shown, "#point")
    shown.execute_script("document.querySelector('#scatter').focus()")
    said = set()
    for _ in range(5):
        press(shown, Keys.ARROW_RIGHT)
        said.add(text(shown, "#point"))
    assert len(said) == 5  # each of them once


def test_the_slider_moves_the_symbols(shown: Any, content: dict[str, Any]) -> None:
    film = content["films"][0]

    def places() -> list[str]:  # in one call: while it plays, marks come and go
        marks = "document.querySelectorAll('#symbols circle')"
        return shown.execute_script(f"return Array.from({marks}, (mark) => mark.getAttribute('cy'))")

    assert len(places()) == 5
    begun = places()
    slider = shown.find_element("id", "step")
    slider.send_keys(Keys.END)
    assert text(shown, "#frame").startswith(f"step {film['steps'][-1]:,}: train {film['train'][-1]} %")
    assert places() != begun
    slider.send_keys(Keys.HOME)
    assert places() == begun
    shown.find_element("id", "play").click()
    WebDriverWait(shown, 20).until(lambda _: places() != begun)
    WebDriverWait(shown, 20).until(lambda _: text(shown, "#play") == "Play")  # it ends by itself
    assert text(shown, "#frame").startswith(f"step {film['steps'][-1]:,}")


def test_a_phone_shows_all_of_it(shown: Any) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        shown.refresh()
        width = "return [document.documentElement.scrollWidth, window.innerWidth]"
        assert shown.execute_script(width) == [360, 360]  # nothing reaches beyond the screen
        cell = shown.find_element("css selector", "#map button").size
        assert min(cell.values()) >= 32  # a finger's
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
