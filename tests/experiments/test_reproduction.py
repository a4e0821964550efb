"""The comparison with the paper at a tiny scale, and its errors."""

import dataclasses
import json
import re

import numpy as np
import pytest

from experiments import (
  paper,
  reproduction,
  reproduction_report,
  reproduction_tables,
  trials,
)
from experiments.configs import reproduce_faces
from tests import small, synthetic
from vaegan_jax.config import checks
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import claims, studies
from vaegan_jax.evaluation.features import oracles


def config(cache=''):
  made = reproduce_faces.get_config()
  with made.unlocked():
    made.training = small.config(
      cache,
      steps=2,
      data__faces=120,
      encoder__channels=(2, 2, 2),
    )
    made.seeds, made.images, made.runs, made.oracle_steps = 1, 60, 2, 3
  return made


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'seeds': 0}, r'config\.seeds = 0: expected .* at least 1'),
    ({'runs': 1001}, r'config\.runs = 1001: expected .* at most 1000'),
    ({'images': 5}, r'config\.images = 5: expected .* at least 20'),
    ({'training.model': 'gan'}, r'config\.training\.model'),
    (
      {'models': 'vae,vaegam'},
      r"config\.models = 'vae,vaegam': expected 'all'",
    ),
    (
      {'models': ''},
      r"config\.models = '': expected 'all', or some of gan,vae",
    ),
    ({'models': 'vae,vae'}, r'each once'),
    ({'models': 'vae,vae_dis'}, r'vae_dis uses .* of gan; add gan'),
  ],
)
def test_a_wrong_setting_is_refused_by_name(changes, message, tmp_path):
  changed = config()
  with changed.unlocked():
    changed.update_from_flattened_dict(changes)
  with pytest.raises(ValueError, match=message):
    reproduction.run(changed, tmp_path / 'never')
  assert not (tmp_path / 'never').exists()


def test_the_config_of_another_launcher_is_refused_by_both(tmp_path):
  with pytest.raises(ValueError, match='such as --config=reproduce_faces'):
    reproduction.run(config().training, tmp_path / 'never')
  with pytest.raises(ValueError, match=r'for experiments\.reproduce; choose'):
    checks.check(config())
  assert not (tmp_path / 'never').exists()


def test_vae_dis_uses_the_gan_of_its_own_seed(tmp_path):
  for seed in (0, 1):
    listed = reproduction.plan(config(), tmp_path, seed=seed)
    names = [trial.name for trial in listed]
    assert names.index('gan') < names.index('vae_dis')
    (trial,) = (t for t in listed if t.name == 'vae_dis')
    assert trial.config.similarity == str(tmp_path / f'seed_{seed}' / 'gan')
    assert trial.config.seed == seed


def test_all_models_but_vae_dis_have_a_conditional_variant(tmp_path):
  listed = reproduction.plan(config(), tmp_path, seed=0)
  conditional = {t.config.model for t in listed if t.config.conditional}
  assert conditional == {'vae', 'gan', 'vaegan'}


def test_some_models_may_be_chosen_in_any_order(tmp_path):
  chosen = config()
  with chosen.unlocked():
    chosen.models = 'conditional_vae,vae_dis,gan'
  listed = reproduction.plan(chosen, tmp_path, seed=0)
  assert [t.name for t in listed] == ['gan', 'vae_dis', 'conditional_vae']


def validated_oracle():
  oracle = synthetic.Seen()
  oracle.validation = oracles.Validation(
    9, {'balanced_accuracy': np.full(4, 0.9)}
  )
  return oracle


def kept(path, *, made, images=3):
  """Returns the values in a file, which is written if it does not exist."""
  return trials._kept(path, {'images': images}, lambda: made)


def test_values_are_computed_once_for_the_same_conditions(tmp_path):
  path = tmp_path / 'run' / 'measures.json'
  assert kept(path, made={'a': 1.0}) == {'a': 1.0}
  assert kept(path, made={'a': 2.0}) == {'a': 1.0}
  assert kept(path, made={'a': 3.0}, images=4) == {'a': 3.0}


@pytest.mark.parametrize(
  'damaged', [b'', b'{"about": {"ima', b'\xff\xfe', b'[1]', b'{}', b'3']
)
def test_damaged_values_are_computed_again_with_a_warning(
  tmp_path, caplog, damaged
):
  path = tmp_path / 'measures.json'
  path.write_bytes(damaged)
  assert kept(path, made={'a': 1.0}) == {'a': 1.0}
  assert [record.levelname for record in caplog.records] == ['WARNING']
  assert str(path) in caplog.text
  assert kept(path, made={'a': 2.0}) == {'a': 1.0}


def test_the_report_says_that_the_oracle_of_faces_has_its_own_images(
  tmp_path, monkeypatch
):
  loaded = []

  def load(train, held_out, **settings):
    loaded.append(train)
    return validated_oracle()

  monkeypatch.setattr(studies, '_INDEPENDENT', 24)
  monkeypatch.setattr(studies.oracle_files, 'load', load)
  source = faces.Faces((16, 16), train=20, test=20)
  study = studies.prepare(source, directory=tmp_path)
  (train,) = loaded
  assert len(train.images) == 24
  note = reproduction_report._notes(config(), study)[-1]
  assert 'trained on 24 other images' in note


def test_the_report_says_that_an_oracle_saw_the_training_images():
  study = studies.Study(
    synthetic.dataset(split='train'),
    synthetic.dataset(),
    validated_oracle(),
    synthetic.bands,
  )
  note = reproduction_report._notes(config(), study)[-1]
  assert 'trained on the training images;' in note


def tables(*seeds, real='other held-out images'):
  """Returns the rows of each table by its title."""
  measured = trials.Measured(
    {}, list(seeds), {'real': {'samples/frechet': 5.0}}, seconds=1.0, real=real
  )
  return {t.title: t.rows for t in reproduction_tables.make(measured)}


def test_models_that_are_given_attributes_have_a_table_of_their_own():
  found = {'reconstructions/psnr': 20.0}
  made = tables({'vae': found, 'conditional_vae': found})
  plain = made['Reconstructions of held-out images']
  conditional = made['Reconstructions by conditional models']
  assert [row[0] for row in plain] == ['VAE']
  assert [row[0] for row in conditional] == ['Conditional VAE']


def test_a_table_of_conditional_models_alone_explains_its_columns():
  measured = trials.Measured(
    {},
    [{'conditional_vae': {'reconstructions/psnr': 20.0}}],
    {},
    seconds=1.0,
    real='',
  )
  (table,) = reproduction_tables.make(measured)
  assert 'levels of 0..255' in table.lead
  assert 'above' not in table.lead


def test_a_seed_without_a_measure_shows_in_its_cell():
  (row,) = tables(
    {'vae': {'reconstructions/psnr': 20.0}}, {'vae': {}}
  ).popitem()[1]
  assert row[:2] == ['VAE', '20.00 (1 of 2)']


def test_a_claim_names_the_seed_that_lacks_a_measure():
  claim = paper.CLAIMS[0]
  good = {'gan': {'samples/sharpness': 0.9}, 'vae': {'samples/sharpness': 0.1}}
  bad = {**good, 'gan': {'samples/sharpness': float('nan')}}
  finding = claims.decide(claim, [good, bad, good])
  judgement = reproduction_report._judgement(finding)
  assert judgement.verdict == 'undecided'
  assert 'seed 1 has nan samples/sharpness of gan' in judgement.detail
  json.dumps(reproduction_report._record(finding), allow_nan=False)


def test_the_report_counts_test_images_that_are_training_images():
  train, test = (synthetic.dataset(30, seed=s) for s in (0, 1))
  oracle = validated_oracle()
  study = studies.Study(train, test, oracle, synthetic.bands, copies=1)
  notes = ' '.join(reproduction_report._notes(config(), study))
  assert '1 of the 30 test images are training images' in notes


@pytest.mark.parametrize(
  ('scores', 'warned'), [((), 0), ((1,), 1), ((0, 1), 0)]
)
def test_binary_attributes_beside_scores_are_said(scores, warned, caplog):
  train = synthetic.dataset(30)
  rows = np.tile(np.array([[0, 1], [1, 0]], np.int8), (15, 1))
  if scores:
    rows = rows.astype(np.float32)
    rows[:, list(scores)] += np.linspace(0, 1, 30)[:, None].astype(np.float32)
  train = dataclasses.replace(
    train, attributes=rows, attribute_names=('Male', 'Age')
  )
  studies._warn_of_mixed(train)
  assert len(caplog.records) == warned
  assert ('1 of 2 attributes' in caplog.text) == bool(warned)


@pytest.mark.usefixtures('unchecked')  # the source is a stand-in
@pytest.mark.parametrize(
  ('count', 'kind'),
  [
    (20, 'other held-out images'),
    (21, 'training images, from which the oracle learned'),
  ],
)
def test_the_row_of_real_images_says_which_they_are(monkeypatch, count, kind):
  data = {s: synthetic.dataset(41, split=s, seed=0) for s in ('train', 'test')}
  monkeypatch.setattr(
    studies.cache, 'load', lambda _, *, split, **__: data[split]
  )
  monkeypatch.setattr(
    studies.oracle_files, 'load', lambda *_, **__: validated_oracle()
  )
  data['train'].images[:] = data['test'].images[0]
  study = studies.prepare(None, images=count)
  assert study.copies == 1
  real = study.real()
  assert real.kind == kind
  assert len(real.images) == len(study.test.images) == count
  used = {image.tobytes() for image in study.test.images}
  shown = {image.tobytes() for image in real.images}
  assert (not used & shown) == (kind == 'other held-out images')
  assert tables({}, real=kind)['Samples'][0][0] == f'Real images ({kind})'


@pytest.mark.slow
@pytest.mark.parametrize(
  ('models', 'figures'),
  [
    ('gan', {'figure3.png'}),
    ('vaegan', {'figure3.png', 'figure4.png', 'figure5.png'}),
    ('conditional_vaegan', {'figure6.png'}),
  ],
)
def test_some_models_have_the_figures_that_show_them(
  models, figures, tmp_path, monkeypatch
):
  monkeypatch.setattr(studies, '_INDEPENDENT', 500)
  chosen = config(tmp_path / 'cache')
  with chosen.unlocked():
    chosen.models = models
  report = reproduction.run(chosen, tmp_path / 'some')
  assert {path.name for path in report.parent.glob('*.png')} == figures
  walks = list(report.parent.glob('*.gif'))
  assert bool(walks) == (models == 'vaegan')
  assert 'Not measured in this run' in report.read_text()


@pytest.mark.slow
def test_every_file_is_written_and_nothing_is_computed_twice(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(studies, '_INDEPENDENT', 500)
  monkeypatch.setattr(oracles, '_BATCH', 20)  # several batches
  report = reproduction.run(config(tmp_path / 'cache'), tmp_path / 'all')
  folder = tmp_path / 'all'
  for name in (
    'figure3.png',
    'figure4.png',
    'figure5.png',
    'figure6.png',
    'random_walk.gif',
    'tour.gif',
    'table.md',
    'report.html',
  ):
    assert (folder / name).stat().st_size, name
  findings = json.loads((folder / 'claims.json').read_text())
  assert len(findings) == len(paper.CLAIMS)
  assert all(len(finding['values']) == 1 for finding in findings)
  page = report.read_text()
  for finding in findings:
    assert finding['place'] in page
  assert len(re.findall('0.9193', page)) == 1

  stamps = {
    path: path.stat().st_mtime_ns for path in folder.glob('seed_*/**/*')
  }
  reproduction.run(config(tmp_path / 'cache'), folder)
  assert stamps == {p: p.stat().st_mtime_ns for p in folder.glob('seed_*/**/*')}
