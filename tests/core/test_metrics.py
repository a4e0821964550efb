"""The registry of metrics; tests/core/test_models.py compares it with runs."""

import pytest

from vaegan_jax.core import architecture, metrics

TERMS = {'real', 'generated', 'generation'}
CODES = {'prior', 'llike', 'active_dimensions'}


def test_the_networks_are_those_of_the_architecture():
  assert metrics.NETWORKS == architecture.NAMES


@pytest.mark.parametrize(
  ('learned', 'given', 'names'),
  [
    (('encoder', 'decoder'), None, CODES),
    (('encoder', 'decoder'), 'discriminator', CODES | {'feature_scale'}),
    (('decoder', 'discriminator'), None, TERMS | {'feature_scale'}),
    (metrics.NETWORKS, None, TERMS | CODES | {'feature_scale'}),
  ],
)
def test_names_in_the_logs_stay_the_same(learned, given, names):
  for network in learned:
    names = names | {
      f'{network}/{kind}' for kind in ('gradient_norm', 'updated', 'updates')
    }
  found = [m.name for m in metrics.logged(learned=learned, given=given)]
  assert sorted(found) == sorted(names | {'learning_rate'})


def test_panels_are_distinct_and_those_of_one_unit():
  panels = metrics.panels(metrics.METRICS)
  assert len({panel.name for panel in panels}) == len(panels) == 9
  for panel in panels:
    shown = [m for m in metrics.METRICS if m.panel == panel]
    assert len({metric.unit for metric in shown}) == 1
