"""Verdicts on claims, as inequalities of measures over seeds."""

import math

import numpy as np
import pytest

from experiments import paper
from vaegan_jax.evaluation import claims

CLAIM = claims.Claim(
  'a is more than b',
  'nowhere',
  greater=claims.Quantity('a', 'm'),
  lesser=claims.Quantity('b', 'm'),
  margin=0.5,
  detail='',
)


def seeds(*differences):
  return [{'a': {'m': 1 + d}, 'b': {'m': 1.0}} for d in differences]


@pytest.mark.parametrize(
  ('differences', 'verdict'),
  [
    ((0.8, 0.9, 1.0), 'holds'),
    ((-0.8, -1.0, -0.9), 'fails'),
    ((0.5, 0.5, 0.5), 'fails'),
    ((0.6, 0.4, 2.0), 'undecided'),
    ((0.6, 1.9, 0.7), 'undecided'),
    ((math.nan, 0.9, 0.8, 1.0), 'undecided'),
    ((0.8, 0.9), 'undecided'),
    ((3.0,), 'undecided'),
    ((), 'undecided'),
  ],
)
def test_a_verdict_needs_three_seeds_that_agree(differences, verdict):
  assert claims.decide(CLAIM, seeds(*differences)).verdict == verdict


@pytest.mark.parametrize(
  ('count', 'least', 'most'), [(3, 0.06, 0.09), (5, 0.005, 0.02)]
)
def test_noise_around_the_margin_seldom_gives_a_verdict(count, least, most):
  draws = np.random.default_rng(0).normal(CLAIM.margin, 1, (10_000, count))
  found = [claims.decide(CLAIM, seeds(*row)).verdict for row in draws]
  share = np.mean([x != 'undecided' for x in found])
  assert least < share < most
  assert claims.chance(count) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize('value', [math.nan, math.inf, None])
def test_a_seed_without_a_measure_leaves_a_claim_undecided_by_name(value):
  measured = seeds(0.8, 0.9, 1.0)
  assert claims.decide(CLAIM, measured).verdict == 'holds'
  measured[1]['a'] = {} if value is None else {'m': value}
  finding = claims.decide(CLAIM, measured)
  assert finding.verdict == 'undecided'
  what = 'no' if value is None else value
  assert finding.missing == (f'seed 1 has {what} m of a',)
  assert finding.values == pytest.approx((0.8, 1.0))


def test_value_and_spread_are_mean_and_deviation_over_seeds():
  finding = claims.decide(CLAIM, seeds(1.0, 2.0))
  assert finding.value == pytest.approx(1.5)
  assert finding.spread == pytest.approx(math.sqrt(0.5))


def test_a_claim_without_measures_is_undecided():
  finding = claims.decide(
    CLAIM, [{'a': {'m': 9.0}}, {'a': {}, 'b': {'m': 1.0}}]
  )
  assert finding.verdict == 'undecided'
  assert math.isnan(finding.value)
  # No seed has it: not measured on these data.
  assert not claims.decide(CLAIM, [{'a': {'m': 9.0}}] * 2).missing


def test_every_claim_of_the_paper_names_its_place():
  for claim in paper.CLAIMS:
    assert 'recalled' in claim.place
    assert claim.statement.endswith('.')
