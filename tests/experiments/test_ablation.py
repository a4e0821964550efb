"""One change at a time: what is trained, and what the table says of it."""

import ml_collections
import pytest

from experiments import ablation, trials
from experiments.configs import conditional, deviations, reproduce_celeba32
from tests import small
from vaegan_jax.config import schema
from vaegan_jax.evaluation import studies


def config(cache='', conditional='', **changes):
  made = deviations.get_config()
  with made.unlocked():
    made.training = small.config(
      cache, steps=2, data__faces=120, conditional=conditional
    )
    made.seeds, made.images, made.runs, made.oracle_steps = 1, 60, 2, 3
    made.changes = ml_collections.ConfigDict(changes)
  return made


def test_each_deviation_is_one_change_of_the_reference(tmp_path):
  whole = deviations.get_config()
  listed = ablation.plan(whole, tmp_path, seed=2)
  unchanged, *others = (schema.flatten(trial.config) for trial in listed)
  assert unchanged == schema.flatten(whole.training) | {'seed': 2}
  assert len(others) == len(whole.changes)
  for other in others:
    assert sum(other[name] != unchanged[name] for name in unchanged) == 1


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'slip': {'gama': 1.0}}, 'gama'),
    ({'gan': {'model': 'gan'}}, r'changes\.gan .* a model with an encoder'),
    ({'other': {'conditional': 'all'}}, r'changes\.other .* attributes'),
    ({'large': {'data': {'size': (32, 32)}}}, r'changes\.large .* same images'),
    ({'unchanged': {'gamma': 1.0}}, "other than 'unchanged'"),
    ({'a/b': {'gamma': 1.0}}, 'without /'),
  ],
)
def test_a_change_that_cannot_be_compared_is_refused_before_training(
  changes, message, tmp_path
):
  with pytest.raises(ValueError, match=message):
    ablation.run(config(**changes), tmp_path / 'never')
  assert not (tmp_path / 'never').exists()


@pytest.mark.parametrize(
  ('values', 'bold'),
  [
    ((12.0, 12.1, 11.9), True),
    ((8.0, 8.1, 7.9), True),
    ((12.0, 12.1, 9.9), False),  # the seeds disagree
    ((10.1, 15.0, 10.1), False),  # they agree, and vary more than they differ
    ((10.0, 10.0, 10.0), False),  # nothing changes
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
  measured = trials.Measured({}, seeds, {'real': {measure: 5.0}}, 0.0, 'others')
  made = ablation.table(measured, changes={'changed': {'gamma': 1.6e-5}})
  rows = [dict(zip(made.header, row, strict=True)) for row in made.rows]
  real, unchanged, changed = rows
  heading, _ = ablation.MEASURES[measure]
  assert changed[heading].startswith('**') == bold
  assert not unchanged[heading].startswith('**')
  assert changed['settings'] == 'gamma = 1.6e-05'
  assert real[heading] == '5.0'
  # Measures that no run has, such as those of conditional models, are left out.
  assert [*made.header] == ['', 'settings', heading]


def test_settings_of_another_comparison_are_one_change(tmp_path):
  whole = conditional.get_config()
  listed = {t.name: t.config for t in ablation.plan(whole, tmp_path, seed=0)}
  changed = schema.flatten(listed['celeba'])
  others = schema.flatten(reproduce_celeba32.get_config().training)
  faces = schema.flatten(whole.training)
  kept = ('data.', 'conditional', 'log_every', 'picture_every', 'save_every')
  for name, value in changed.items():
    wanted = faces if name.startswith(kept) else others
    assert value == wanted[name], name


@pytest.mark.slow
def test_the_table_shows_every_change_and_which_of_them_diverged(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(studies, '_INDEPENDENT', 500)
  changes = {'less': {'gamma': 1e-6}, 'wild': {'gamma': 1e38}}
  path = ablation.run(config(tmp_path / 'cache', **changes), tmp_path / 'all')
  rows = {
    line.split('|')[1].strip(): line.split('|')[3].strip()
    for line in path.read_text().splitlines()
    if line.startswith('|')
  }
  assert [*rows][3:] == [ablation.UNCHANGED, 'less', 'wild']
  assert float(rows['less']) > 0
  assert rows['wild'] == ''
  for name in ('samples.png', 'reconstructions.png'):
    assert (tmp_path / 'all' / name).stat().st_size


@pytest.mark.slow
def test_conditional_models_are_compared_by_what_was_requested(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(studies, '_INDEPENDENT', 500)
  path = ablation.run(
    config(tmp_path / 'cache', conditional='all', vae={'model': 'vae'}),
    tmp_path / 'all',
  )
  heading, _ = ablation.MEASURES['similarity/cosine']
  header, _, *rows = [
    [cell.strip() for cell in line.split('|')]
    for line in path.read_text().splitlines()
    if line.startswith('|')
  ]
  column = header.index(heading)
  assert [row[1] for row in rows[1:]] == [ablation.UNCHANGED, 'vae']
  assert all(row[column] for row in rows)
  flipped, _ = ablation.MEASURES['attribute_vectors/flipped']
  assert flipped not in header
  for name in ('samples.png', 'reconstructions.png'):
    assert (tmp_path / 'all' / name).stat().st_size
