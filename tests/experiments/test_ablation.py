"""One change at a time: what is trained, and what the table says of it."""

import ml_collections
import pytest

from experiments import ablation
from experiments.configs import deviations
from tests import small
from vaegan_jax.config import schema
from vaegan_jax.evaluation import studies


def config(cache='', **changes):
  made = deviations.get_config()
  with made.unlocked():
    made.training = small.config(cache, steps=2, data__faces=120)
    made.seeds, made.images, made.runs, made.oracle_steps = 3, 60, 2, 3
    made.changes = ml_collections.ConfigDict(changes, convert_dict=False)
  return made


def test_each_deviation_is_one_change_of_the_reference(tmp_path):
  whole = deviations.get_config()
  listed = ablation.plan(whole, tmp_path, seed=2)
  unchanged, *others = (schema.flatten(trial.config) for trial in listed)
  assert unchanged == schema.flatten(whole.training) | {'seed': 2}
  assert len(others) == len(whole.changes)
  for other in others:
    assert sum(other[name] != unchanged[name] for name in unchanged) == 1


def test_an_unknown_setting_is_refused_before_anything_is_written(tmp_path):
  wrong = config(slip={'gama': 1.0})
  with pytest.raises(ValueError, match='gama'):
    ablation.run(wrong, tmp_path / 'never')
  assert not (tmp_path / 'never').exists()


@pytest.mark.parametrize(
  ('values', 'bold'),
  [
    ((12.0, 12.1, 11.9), True),
    ((8.0, 8.1, 7.9), True),
    ((12.0, 12.1, 9.9), False),  # the seeds disagree
    ((10.1, 15.0, 10.1), False),  # they agree, and vary more than they differ
    ((12.0, 12.1), False),  # two seeds
    ((12.0, 12.1, float('nan')), False),
  ],
)
def test_a_measure_is_bold_if_all_seeds_say_that_it_moved(values, bold):
  measure = 'samples/frechet'
  seeds = [
    {ablation.UNCHANGED: {measure: 10.0}, 'changed': {measure: value}}
    for value in values
  ]
  made = ablation.table(seeds, changes={'changed': {'gamma': 1.0}})
  unchanged, changed = (
    dict(zip(made.header, r, strict=True)) for r in made.rows
  )
  heading, _ = ablation.MEASURES[measure]
  assert changed[heading].startswith('**') == bold
  assert not unchanged[heading].startswith('**')
  assert changed['settings'] == 'gamma = 1.0'


@pytest.mark.slow
def test_pictures_and_the_table_show_every_change(tmp_path, monkeypatch):
  monkeypatch.setattr(studies, '_INDEPENDENT', 500)
  path = ablation.run(
    config(tmp_path / 'cache', more={'gamma': 1.0}, less={'gamma': 1e-6}),
    tmp_path / 'all',
  )
  rows = [
    line.split('|')[1].strip()
    for line in path.read_text().splitlines()
    if line.startswith('|')
  ]
  assert rows[2:] == [ablation.UNCHANGED, 'less', 'more']
  for name in ('samples.png', 'reconstructions.png'):
    assert (tmp_path / 'all' / name).stat().st_size
