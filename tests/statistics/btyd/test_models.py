"""The models against their papers' figures, against plain integration, and against worlds whose truth is known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import beta as beta_function
from scipy.special import betaln, gammaln

from polku.statistics.btyd import geometric, paretonbd
from polku.statistics.btyd.bgbb import BGBB, fit_bgbb
from polku.statistics.btyd.bgnbd import BGNBD, fit_bgnbd
from polku.statistics.btyd.fitting import Fit, NoFit, minimise
from polku.statistics.btyd.gammagamma import GammaGamma, fit_gammagamma
from polku.statistics.btyd.histories import histories
from polku.statistics.btyd.mbgnbd import MBGNBD, fit_mbgnbd
from polku.statistics.btyd.paretonbd import ParetoNBD, fit_paretonbd

DATA = Path(__file__).parents[4] / "shared" / "data"
realdata = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]


@pytest.fixture(scope="module")
def rows(cdnow):
    frequency, recency, age, _, _ = cdnow
    return histories(frequency, recency, age)[0]


def rounded(fit, digits=3):
    assert isinstance(fit, Fit)
    return tuple(round(v, digits) for v in fit.parameters.values())


def test_bgnbd_is_that_of_the_paper(rows):
    """Fader, Hardie and Lee (2005), table 2: r .243, alpha 4.414, a .793, b 2.426, log-likelihood -9582.4."""
    fit = fit_bgnbd(rows)
    assert rounded(fit) == (0.243, 4.414, 0.793, 2.426)
    assert round(fit.log_likelihood, 1) == -9582.4
    assert fit.weak == ()
    one, _ = histories([2], [30.43], [38.86])
    assert round(float(fit.model.expected(one, 39)[0]), 3) == 1.226


def test_paretonbd_is_that_of_the_paper(rows):
    """The same table: r .553, alpha 10.578, s .606, beta 11.669, log-likelihood -9595.0."""
    fit = fit_paretonbd(rows)
    r, alpha, s, beta = fit.parameters.values()
    assert (round(r, 3), round(alpha, 2), round(s, 3)) == (0.553, 10.58, 0.606)
    assert beta == pytest.approx(11.669, abs=0.005)
    assert round(fit.log_likelihood, 1) == -9595.0
    # the BTYD package's walk-through: a new customer's year, and a very good customer
    assert round(fit.model.expected_new(52), 2) == 1.47
    good, _ = histories([26], [30.86], [31])
    assert round(float(fit.model.alive(good)[0]), 3) == 0.998
    assert round(float(fit.model.expected(good, 52)[0]), 1) == 25.5


def test_mbgnbd_is_that_of_the_package(rows):
    """Batislam and others (2007) by the package lifetimes: r 0.525, alpha 6.183, a 0.891, b 1.614."""
    fit = fit_mbgnbd(rows)
    assert rounded(fit) == (0.525, 6.183, 0.891, 1.614)
    assert fit.bic < fit_bgnbd(rows).bic


def test_gammagamma_is_that_of_the_note(cdnow):
    """Fader and Hardie (2013): 946 customers, p 6.25, q 3.74, v 15.44; one purchase of 7.50 is expected to be 15.95."""
    frequency, _, _, mean, _ = cdnow
    again = frequency > 0
    assert again.sum() == 946
    fit = fit_gammagamma(frequency[again & (mean > 0)], mean[again & (mean > 0)])
    p, q, v = fit.parameters.values()
    assert (round(p, 2), round(q, 2), round(v, 1)) == (6.25, 3.74, 15.4)


@pytest.mark.parametrize("mark", [pytest.param(None, marks=realdata)])
def test_bgbb_is_that_of_the_paper(mark):
    """Fader, Hardie and Shang (2010): alpha 1.204, beta 0.750, gamma 0.657, delta 2.783, log-likelihood -33225.6."""
    with (DATA / "donations_bgbb" / "donations.csv").open(encoding="utf-8") as f:
        table = list(csv.DictReader(f))
    columns = [[int(row[name]) for row in table] for name in ("frequency", "recency", "periods", "weights")]
    donors, _ = histories(*columns)
    fit = fit_bgbb(donors)
    assert rounded(fit, 4) == (1.2035, 0.7497, 0.6567, 2.7834)
    assert round(fit.log_likelihood, 1) == -33225.6
    assert donors.total == 11104
    assert round(fit.model.expected_new(10), 2) == 3.18


@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd, fit_paretonbd])
def test_the_next_39_weeks_of_cdnow(rows, cdnow, fit):
    """1,882 repeat purchases followed; every model is within a fifth of them."""
    found = fit(rows)
    told = float(rows.customers @ found.model.expected(rows, 39))
    assert cdnow[4].sum() == 1882
    assert told == pytest.approx(1882, rel=0.2)
    spread = found.spread(lambda model: float(rows.customers @ model.expected(rows, 39)))
    assert 0.01 < spread < 0.1


# ---- against plain integration


def by_integration(x, tx, age, r, alpha, a, b, first):
    """The likelihood of BG/NBD and MBG/NBD, its customer's rate and chance integrated one by one."""

    def of_chance(p):
        stays = (1 - p) ** (x + first)
        leaves = p * (1 - p) ** (x + first - 1) if x + first else 0.0

        def of_rate(rate):
            density = np.exp(r * np.log(alpha) + (r - 1) * np.log(rate) - alpha * rate - gammaln(r))
            return rate**x * (stays * np.exp(-rate * age) + leaves * np.exp(-rate * tx)) * density

        density = p ** (a - 1) * (1 - p) ** (b - 1) / beta_function(a, b)
        return integrate.quad(of_rate, 0, np.inf)[0] * density

    return integrate.quad(of_chance, 0, 1)[0]


@pytest.mark.parametrize(("x", "tx", "age"), [(0, 0.0, 5.0), (1, 2.0, 5.0), (4, 3.5, 3.5)])
@pytest.mark.parametrize("model", [BGNBD(1.3, 4.0, 1.2, 2.5), MBGNBD(1.3, 4.0, 1.2, 2.5)])
def test_the_geometric_likelihood_is_the_integral(model, x, tx, age):
    one, _ = histories([x], [tx], [age])
    wanted = by_integration(x, tx, age, model.r, model.alpha, model.a, model.b, model.FIRST)
    assert model.log_likelihood(one)[0] == pytest.approx(np.log(wanted), rel=1e-6)


@pytest.mark.parametrize(("x", "tx", "age"), [(0, 0.0, 5.0), (1, 2.0, 5.0), (4, 3.5, 3.5), (60, 4.0, 5.0)])
@pytest.mark.parametrize("model", [ParetoNBD(0.6, 10.0, 0.8, 3.0), ParetoNBD(2.0, 1.5, 0.7, 12.0)])
def test_the_pareto_likelihood_is_the_integral(model, x, tx, age):
    """Given the rates of buying and leaving, purchases at x moments are l^x times the chance to stay silent since."""
    one, _ = histories([x], [tx], [age])
    k = model.r + x

    def left(y):
        return model.s * (model.alpha + y) ** -k * (model.beta + y) ** -(model.s + 1)

    inner = integrate.quad(left, tx, age, epsabs=0)[0] if tx < age else 0.0
    stayed = (model.alpha + age) ** -k * (model.beta + age) ** -model.s
    scale = np.exp(model._scale(one)[0])
    assert np.exp(model.log_likelihood(one)[0]) == pytest.approx(scale * (inner + stayed), rel=1e-6)


positive = st.floats(-1.5, 1.5).map(np.exp)


@settings(max_examples=40, deadline=None)
@given(st.tuples(positive, positive, positive, positive), st.booleans())
def test_slopes_are_those_of_the_likelihood(parameters, first):
    some, _ = histories([0, 1, 3, 40, 2], [0, 0.5, 0.6, 0.9, 1.5], [1, 1, 2, 1, 1.5], [3, 1, 2, 1, 1])
    point = np.log(parameters)

    def at(p):
        return float(some.customers @ geometric.log_likelihood(some, *np.exp(p), first))

    value, slope = geometric.total(some, *parameters, first)
    assert value == pytest.approx(at(point))
    steps = np.eye(4) * 1e-5
    assert slope == pytest.approx([(at(point + e) - at(point - e)) / 2e-5 for e in steps], rel=1e-4, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.tuples(positive, positive, positive, positive))
def test_the_quick_pareto_slope_is_that_of_its_value(parameters):
    some, _ = histories([0, 1, 3, 40, 2], [0, 0.5, 0.6, 0.9, 1.5], [1, 1, 2, 1, 1.5], [3, 1, 2, 1, 1])
    objective = paretonbd._objective(some)
    point = np.log(parameters)
    steps = np.eye(4) * 1e-5
    wanted = [(objective(point + e)[0] - objective(point - e)[0]) / 2e-5 for e in steps]
    assert objective(point)[1] == pytest.approx(wanted, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("make", [BGNBD, MBGNBD])
@pytest.mark.parametrize("a", [0.3, 1.0, 2.5])
def test_what_is_coming_is_the_mean_over_chances_to_leave(make, a):
    """Of one who is alive and leaves with chance p, (1 - (A / (A + p t))^k) / p purchases come; also at a = 1."""
    model = make(0.8, 5.0, a, 2.0)
    one, _ = histories([0, 2, 150], [0, 7.0, 30.0], [10, 9.0, 30.5])
    k, scale = model.r + one.frequency, model.alpha + one.age
    wanted = []
    for i in range(3):
        untaken = 2.0 + one.frequency[i] + model.FIRST

        def of_log(v, i=i, untaken=untaken):
            p = np.exp(v)
            density = np.exp((a - 1) * v + (untaken - 1) * np.log1p(-p) - betaln(a, untaken))
            return -density * np.expm1(-k[i] * np.log1p(p * 52 / scale[i]))

        wanted.append(integrate.quad(of_log, -40, -1e-9, points=[-12, -6, -3, -1], limit=400)[0])
    assert model.expected(one, 52) / model.alive(one) == pytest.approx(np.array(wanted), rel=1e-4)


MODELS = [
    BGNBD(0.8, 5.0, 0.9, 2.0), MBGNBD(0.8, 5.0, 0.9, 2.0), ParetoNBD(0.8, 5.0, 0.6, 9.0), BGBB(1.2, 0.75, 0.66, 2.8)
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_what_is_coming_behaves(model):
    some, _ = histories([0, 2, 2, 5], [0, 3, 9, 9], [10, 10, 10, 10])
    year, two = model.expected(some, 52), model.expected(some, 104)
    assert (model.expected(some, 0) == 0).all()
    assert (year > 0).all()
    assert (year < two).all()
    assert year[1] < year[2]  # the same purchases, but silent for longer
    assert model.alive(some)[1] < model.alive(some)[2]
    discounted = model.expected(some, 52, 0.01)
    assert (discounted < year).all()
    assert (discounted > year * np.exp(-0.52)).all()
    # a discount is a sum of short spans, each taken back to today
    spans = np.arange(0, 53, 1.0)
    each = np.diff([model.expected(some, t) for t in spans], axis=0)
    ends = spans[1:] if isinstance(model, BGBB) else spans[1:] - 0.5
    assert discounted == pytest.approx((each * np.exp(-0.01 * ends)[:, None]).sum(axis=0), rel=1e-3)
    assert model.expected_new(30) > 0
    assert model.expected_new(0) == 0


def world(model, customers, weeks, seed):
    """Purchase histories of people who live by BG/NBD or MBG/NBD, and their purchases in as many weeks again."""
    rng = np.random.default_rng(seed)
    rate, chance = rng.gamma(model.r, 1 / model.alpha, customers), rng.beta(model.a, model.b, customers)
    found = []
    for i in range(customers):
        time, times = 0.0, []
        gone = model.FIRST and rng.random() < chance[i]
        while not gone and (time := time + rng.exponential(1 / rate[i])) <= 2 * weeks:
            times.append(time)
            gone = rng.random() < chance[i]
        seen = [t for t in times if t <= weeks]
        found.append((len(seen), seen[-1] if seen else 0.0, weeks, len(times) - len(seen)))
    return tuple(np.array(column) for column in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("truth", "fit"), [(BGNBD(0.8, 6.0, 0.8, 2.5), fit_bgnbd), (MBGNBD(0.8, 6.0, 0.8, 2.5), fit_mbgnbd)]
)
def test_a_known_world_is_found_again(truth, fit):
    x, tx, age, later = world(truth, 4000, 52, 5)
    rows, row_of = histories(x, tx, age)
    found = fit(rows)
    for name, value in found.parameters.items():
        low, high = found.interval(name)
        assert low < getattr(truth, name) < high, name
        assert high / low < 3, (name, value)
    told = found.model.expected(rows, 52)[row_of]
    assert told.sum() == pytest.approx(later.sum(), rel=0.08)
    alive = found.model.alive(rows)[row_of]
    assert later[alive > 0.9].mean() > 5 * later[alive < 0.2].mean()


# ---- what cannot be fitted


@pytest.mark.parametrize("fit", [fit_bgnbd, fit_mbgnbd, fit_paretonbd, fit_bgbb])
def test_what_cannot_be_fitted_says_why(fit):
    nobody, _ = histories([], [], [])
    once, _ = histories([0, 0], [0, 0], [4, 9])
    assert fit(nobody) == NoFit("nobody has bought")
    assert fit(once) == NoFit("nobody has bought a second time yet")


def test_no_leaving_is_told_as_weakly_held():
    """People who never leave: a goes to its edge, b means nothing, and the purchases to come are those of the rates."""
    rng = np.random.default_rng(2)
    rate = rng.gamma(3.0, 1 / 20, 3000)
    count = rng.poisson(rate * 50)
    last = np.where(count > 0, 50 * rng.random(3000) ** (1 / np.maximum(count, 1)), 0.0)
    rows, _ = histories(count, last, np.full(3000, 50.0))
    fit = fit_bgnbd(rows)
    assert {"a", "b"} & set(fit.weak)
    assert float(rows.customers @ fit.model.expected(rows, 50)) == pytest.approx(count.sum(), rel=0.03)
    assert rows.customers @ fit.model.alive(rows) / rows.total > 0.99


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (([1], [5], [4]), "greater than age"),
        (([0], [1], [4]), "other than 0"),
        (([-1], [0], [4]), "from 0 up"),
        (([1, 2], [1], [4]), "different lengths"),
        (([1], [float("nan")], [4]), "finite"),
    ],
)
def test_histories_are_checked(columns, why):
    with pytest.raises(ValueError, match=why):
        histories(*columns)


def test_bgbb_wants_whole_occasions():
    with pytest.raises(ValueError, match="whole numbers"):
        fit_bgbb(histories([1], [1.5], [4])[0])
    with pytest.raises(ValueError, match="at most once"):
        fit_bgbb(histories([3], [2], [4])[0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40))
def test_equal_rows_are_counted_together(people):
    x = np.array([p[0] for p in people])
    tx = np.array([min(p[1], p[2]) if p[0] else 0 for p in people], float) / 7
    age = np.array([p[2] for p in people], float) / 7
    rows, row_of = histories(x, tx, age)
    assert rows.total == len(people)
    assert len(rows) == len(set(zip(x, tx, age, strict=True)))
    for column, whole in ((rows.frequency, x), (rows.recency, tx), (rows.age, age)):
        assert (column[row_of] == whole).all()
    assert rows.sample(5).total == pytest.approx(len(people))


def test_gamma_gamma_draws_towards_the_mean():
    model = GammaGamma(6.25, 3.74, 15.44)
    one, many, none = model.expected([1, 500, 0], [7.5, 7.5, 0])
    assert 7.5 < many < one < none == pytest.approx(model.mean)
    assert GammaGamma(2.0, 0.9, 10.0).mean is None
    assert np.isnan(GammaGamma(2.0, 0.9, 10.0).expected([0], [0])[0])


def test_gamma_gamma_says_what_it_cannot_fit():
    assert fit_gammagamma([2, 3], [5.0, 5.0]) == NoFit("there are no two customers whose purchases differ in value")
    with pytest.raises(ValueError, match="above 0"):
        fit_gammagamma([2, 3], [5.0, -5.0])


def test_a_search_turns_back_from_where_nothing_can_be_computed():
    def bowl(point):
        if point[0] > 2:
            return float("nan"), np.array([float("inf")])
        return float((point[0] - 1) ** 2), 2 * (point - 1)

    point, value = minimise(bowl, ((1.9,), (-3.0,), (5.0,)), rough=bowl)
    assert (point[0], value) == (pytest.approx(1, abs=1e-5), pytest.approx(0, abs=1e-9))
    assert isinstance(minimise(lambda point: (float("nan"), point), ((0.0,),)), NoFit)
    assert isinstance(minimise(lambda point: (float(-point[0]), np.array([-1.0])), ((0.0,),)), tuple)


@pytest.mark.parametrize("make", [BGNBD, MBGNBD])
@pytest.mark.parametrize(("a", "b"), [(100.0, 300.0), (1e5, 1e4)])
def test_chances_to_leave_that_hardly_differ(make, a, b):
    """scipy's 2F1 is NaN there; with p = a / (a + b) for everyone, the rate u ahead is k A^k / (A + p u)^(k + 1)."""
    rows, _ = histories([0, 2], [0.0, 5.0], [10.0, 10.0])
    model = make(0.5, 4.0, a, b)
    p, k, scale = a / (a + b), 0.5 + np.array([0, 2]), 14.0
    ahead = (1 - (scale / (scale + p * 50)) ** k) / p
    np.testing.assert_allclose(model.expected(rows, 50.0), model.alive(rows) * ahead, rtol=0.01)
    assert np.isfinite(model.expected_new(50.0))


@pytest.mark.parametrize("make", [BGNBD, MBGNBD])
def test_what_a_function_cannot_compute_is_no_number_of_purchases(make):
    """scipy's 2F1 gives 1e282 and -3e139 here."""
    rows, _ = histories([0, 1, 5, 40], [0.0, 10.0, 300.0, 700.0], [800.0] * 4)
    for model in (make(2741.0, 69.7, 62645.0, 54934.0), make(148.7, 280.0, 98858.0, 575.9)):
        most = (model.r + rows.frequency) / (model.alpha + rows.age) * 365.0
        ahead = model.expected(rows, 365.0)
        assert (ahead >= 0).all()
        assert (ahead <= most).all()
        assert 0 <= model.expected_new(365.0) <= model.r / model.alpha * 365.0


def test_rates_that_hardly_differ():
    """Everyone buys once in 10 and leaves once in 20: P(alive) is that of two known rates."""
    many = 5e4
    rows, _ = histories([0, 2], [0.0, 4.0], [10.0, 10.0])
    model = ParetoNBD(many, many * 10, many, many * 20)
    together, silent = 0.1 + 0.05, np.array([10.0, 6.0])
    alive = 1 / (1 + 0.05 / together * np.expm1(together * silent))
    np.testing.assert_allclose(model.alive(rows), alive, rtol=1e-3)
    assert np.isfinite(model.log_likelihood(rows)).all()
    np.testing.assert_allclose(model.expected(rows, 20.0), alive * 2 * -np.expm1(-1.0), rtol=1e-3)
