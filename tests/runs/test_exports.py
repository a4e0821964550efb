"""An exported model is the model of its run, in three files."""

import json
import shutil
import sys

import jax
import numpy as np
import pytest

import vaegan_jax
from experiments import export as launcher
from tests import devices, small
from vaegan_jax import inference
from vaegan_jax.config import build
from vaegan_jax.core import gaussian
from vaegan_jax.evaluation import code_statistics
from vaegan_jax.runs import exports, records
from vaegan_jax.training import loop


@pytest.fixture
def run(small_run):
  return small_run


@pytest.fixture(scope='module')
def exported(small_run, tmp_path_factory):
  folder = tmp_path_factory.mktemp('exported') / 'model'
  launcher._export(small_run, folder)
  return folder


def arrays(model):
  images = model.sample(3, prior=model.fitted_prior, seed=1)
  return images, model.encode(images), model.reconstruct(images)


def test_it_computes_what_the_run_computes(run, exported):
  original, loaded = vaegan_jax.load(run), vaegan_jax.load(exported)
  assert loaded.step == original.step == 4
  assert loaded.digest() == original.digest()
  for ours, theirs in zip(arrays(loaded), arrays(original), strict=True):
    np.testing.assert_array_equal(ours, theirs)


def test_it_has_the_prior_and_the_vectors_of_the_training_images(exported):
  model = vaegan_jax.load(exported)
  assert isinstance(model.fitted_prior, gaussian.Gaussian)
  # Of 20 images, no attribute has enough with it and without it.
  assert model.attribute_vectors == {}
  vectors = {'Smiling': np.arange(model.latent_size, dtype=np.float32)}
  other = exported.parent / 'with_vectors'
  found = exports.read(exported)._replace(attribute_vectors=vectors)
  exports.write(other, found, card='')
  edited = vaegan_jax.load(other)
  np.testing.assert_array_equal(
    edited.attribute_vectors['Smiling'], vectors['Smiling']
  )
  images = model.sample(3)
  np.testing.assert_array_equal(
    edited.edit(images, {'Smiling': 1.5}),
    model.decode(model.encode(images) + np.float32(1.5) * vectors['Smiling']),
  )
  with pytest.raises(ValueError, match=r'no attribute vector of Hat: .* Smil'):
    edited.edit(images, {'Hat': 1.0})
  with pytest.raises(ValueError, match='this model has none; training'):
    model.edit(images, {'Smiling': 1.0})


def test_it_shows_what_the_model_does_and_where_it_fails(exported):
  card = (exported / 'README.md').read_text()
  shown = {path.name for path in (exported / 'pictures').iterdir()}
  assert shown == {
    'samples.png',
    'worst_samples.png',
    'reconstructions.png',
    'worst_reconstructions.png',
    'walk.gif',
  }
  assert all(f'(pictures/{name})' in card for name in shown)
  assert (exported / 'explore.html').exists()
  assert '(explore.html)' in card


def test_half_precision_halves_the_file_and_keeps_the_images(exported):
  half = exported.parent / 'half'
  exports.write(half, exports.read(exported), card='', half=True)
  sizes = [(f / 'model.safetensors').stat().st_size for f in (half, exported)]
  assert sizes[0] < 0.75 * sizes[1]
  images, others = (
    vaegan_jax.load(f).sample(8).astype(int) for f in (half, exported)
  )
  assert np.abs(images - others).max() <= 2


def test_half_precision_keeps_values_that_it_cannot_hold(exported, tmp_path):
  export = exports.read(exported)
  wide = jax.tree.map_with_path(
    lambda path, x: np.full_like(x, 1e5) if path[-1].key == 'var' else x,
    export.variables,
  )
  exports.write(tmp_path, export._replace(variables=wide), card='', half=True)
  stored = exports.read(tmp_path).variables['encoder']['batch_stats']
  for layer in stored.values():
    assert (layer['batch_norm']['var'] == 1e5).all()


def test_no_path_of_the_machine_is_exported(run, exported, drawn):
  assert str(drawn) in (run / 'config.json').read_text()
  for name in ('config.json', 'README.md'):
    text = (exported / name).read_text()
    assert str(drawn) not in text, name
    assert str(exported.parent) not in text, name


def test_orbax_is_not_imported(exported):
  program = (
    f'import sys, vaegan_jax; vaegan_jax.load({str(exported)!r}).sample(1);'
    'print("orbax" in sys.modules)'
  )
  assert devices.run(program) == 'False\n'


def test_nothing_is_overwritten(run, exported):
  for folder in (run, exported):
    before = (folder / 'config.json').read_bytes()
    with pytest.raises(ValueError, match='name another folder'):
      launcher._export(run, folder)
    assert (folder / 'config.json').read_bytes() == before
  assert not exports.exists(run)
  (exported.parent / 'mine').mkdir()
  readme = exported.parent / 'mine' / 'README.md'
  readme.write_text('mine')
  with pytest.raises(ValueError, match=r'README\.md, which would be replaced'):
    vaegan_jax.load(run).save_pretrained(readme.parent)
  assert [*readme.parent.iterdir()] == [readme]


def test_a_damaged_model_is_refused(exported, tmp_path):
  for name in ('model.safetensors', 'config.json'):
    (tmp_path / name).write_bytes((exported / name).read_bytes())
  path = tmp_path / 'model.safetensors'
  content = bytearray(path.read_bytes())
  content[-1] ^= 1
  path.write_bytes(content)
  with pytest.raises(ValueError, match='damaged'):
    vaegan_jax.load(tmp_path)


def test_the_card_has_the_measures_of_this_step_only(run, exported, tmp_path):
  copy = shutil.copytree(run, tmp_path / 'run')

  def card(step):
    measures = {'samples/frechet': 12.5, 'reconstructions/psnr': 20.25}
    content = {
      'about': {'step': step, 'images': 30},
      'model': measures,
      'real': {'samples/frechet': 2.5},
    }
    (copy / 'evaluation.json').write_text(json.dumps(content))
    return launcher._card(copy, exports.read(exported), {'a.png': 'A caption.'})

  assert '| Fréchet distance | 12.5 | 2.5 | features² | lower |' in card(4)
  assert '![A caption.](pictures/a.png)' in card(4)
  assert '| Reconstructions: PSNR | 20.25 |  | dB | higher |' in card(4)
  assert 'Fréchet' not in card(1)
  assert '4 of 4 steps of 8 images, 32 in all, with seed 0' in card(4)


def test_a_conditional_model_keeps_the_limits_of_its_attributes(
  drawn, tmp_path
):
  config = small.config(drawn, steps=2, conditional='Smiling')
  loop.train(config, tmp_path / 'run')
  asked = json.loads((tmp_path / 'run/figures/asked.json').read_text())
  assert set(asked) == {'Smiling', 'none'}
  launcher._export(tmp_path / 'run', tmp_path / 'model')
  model = vaegan_jax.load(tmp_path / 'model')
  assert model.attribute_names == ('Smiling',)
  with pytest.raises(ValueError, match='Smiling'):
    model.sample(1, np.array([[7.0]]))
  model.sample(1, np.array([[1.0]]), prior=model.fitted_prior)


def test_an_unknown_pretrained_model_is_refused_by_name():
  with pytest.raises(
    ValueError, match="'faces65' is no model: expected one of"
  ):
    vaegan_jax.pretrained('faces65')


def test_a_gan_has_neither_prior_nor_vectors(drawn, tmp_path):
  loop.train(small.config(drawn, steps=2, model='gan'), tmp_path / 'run')
  launcher._export(tmp_path / 'run', tmp_path / 'model')
  model = vaegan_jax.load(tmp_path / 'model')
  assert model.fitted_prior is None
  assert model.sample(1).shape == (1, *model.image_shape)


def test_a_run_keeps_what_it_knows_of_codes_for_its_last_step(drawn, tmp_path):
  config = small.config(drawn, data__faces=200, steps=2, save_every=1)
  loop.train(config, tmp_path)
  model, first = (vaegan_jax.load(tmp_path, step=step) for step in (None, 1))
  some = code_statistics.load_split(exports.read(tmp_path), split='train')
  fitted = model.fit_prior(some.images)
  np.testing.assert_allclose(model.fitted_prior.mean, fitted.mean, rtol=1e-6)
  has = some.attributes[:, some.attribute_names.index('Smiling')] > 0
  codes = model.encode(some.images)
  np.testing.assert_allclose(
    model.attribute_vectors['Smiling'],
    codes[has].mean(0) - codes[~has].mean(0),
    rtol=1e-5,
  )
  assert (first.fitted_prior, first.attribute_vectors) == (None, {})


def test_a_step_is_loaded_if_it_is_there(run, exported):
  assert vaegan_jax.load(run, step=4).step == 4
  assert vaegan_jax.load(exported, step=4).step == 4
  checkpoint = run / 'checkpoints' / '4'
  assert vaegan_jax.load(checkpoint, step=4).step == 4
  with pytest.raises(FileNotFoundError, match='checkpoints/1 does not exist'):
    vaegan_jax.load(run, step=1)
  with pytest.raises(ValueError, match='is a model of step 4 alone'):
    vaegan_jax.load(exported, step=1)
  with pytest.raises(ValueError, match='is the checkpoint of 4'):
    vaegan_jax.load(checkpoint, step=1)


def test_the_card_names_the_weights_that_the_run_started_from(
  run, exported, tmp_path
):
  copy = shutil.copytree(run, tmp_path / 'run')
  export = exports.read(exported)
  assert 'started from' not in launcher._card(copy, export, {})
  [start, *others] = records.read_rows(copy / records.STARTS)
  start['weights'] = [
    {
      'setting': 'init_from',
      'run': '/home/me/runs/first',
      'step': 1234,
      'networks': ['encoder', 'decoder'],
    }
  ]
  (copy / records.STARTS).write_text(
    ''.join(json.dumps(row) + '\n' for row in [start, *others])
  )
  card = launcher._card(copy, export, {})
  assert (
    'The encoder and decoder started from the weights of first, step 1,234.'
    in card
  )
  assert '/home/me' not in card


def test_a_saved_model_is_the_same_and_has_a_card(run, tmp_path):
  model = vaegan_jax.load(run)
  model.save_pretrained(tmp_path / 'saved')
  saved = vaegan_jax.load(tmp_path / 'saved')
  assert saved.digest() == model.digest()
  for ours, theirs in zip(arrays(saved), arrays(model), strict=True):
    np.testing.assert_array_equal(ours, theirs)
  card = (tmp_path / 'saved' / 'README.md').read_text()
  assert card.startswith('# VAE/GAN on faces at 16x16\n')
  with pytest.raises(ValueError, match='holds a model or a run already'):
    model.save_pretrained(run)


@pytest.mark.usefixtures('unchecked')  # variables are drawn at random
@pytest.mark.parametrize(
  'settings', [{'conditional': 'Male,Smiling'}, {'model': 'gan'}]
)
def test_the_python_of_a_card_runs(settings, tmp_path):
  config = small.config(**settings)
  variables = small.variables(build.networks(config))
  export = exports.Export(config, variables, step=7, attribute_limits=None)
  text = exports.card(export).split('```python\n')[1].split('```')[0]
  inference.Model(export).save_pretrained(tmp_path / 'model')
  names = {}
  exec(text.replace('FOLDER', str(tmp_path / 'model')), names)
  assert names['images'].shape == (8, 16, 16, 3)


class Hub:
  """Stands in for huggingface_hub: a model a folder."""

  def __init__(self, folder):
    self.folder = folder

  def HfApi(self):
    return self

  def create_repo(self, name, *, exist_ok):
    assert exist_ok
    (self.folder / name).mkdir(parents=True)

  def upload_folder(self, *, repo_id, folder_path):
    shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)
    return f'https://hub/{repo_id}'

  def snapshot_download(self, name, *, allow_patterns):
    names = {path.name for path in (self.folder / name).iterdir()}
    assert names == set(allow_patterns)
    return str(self.folder / name)


def test_a_model_goes_to_the_hub_and_comes_back(run, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'huggingface_hub', Hub(tmp_path / 'hub'))
  model = vaegan_jax.load(run)
  assert model.push_to_hub('someone/faces') == 'https://hub/someone/faces'
  assert vaegan_jax.load('someone/faces').digest() == model.digest()
  with pytest.raises(ValueError, match='expected user/name'):
    model.push_to_hub('faces')


def test_a_folder_comes_before_a_name_of_the_hub(run, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(ImportError, match='runs/demo is no folder here, and a'):
    vaegan_jax.load('runs/demo')
  (tmp_path / 'runs').mkdir()
  with pytest.raises(FileNotFoundError, match='runs/demo'):
    vaegan_jax.load('runs/demo')
  shutil.copytree(run, tmp_path / 'runs' / 'demo')
  assert vaegan_jax.load('runs/demo').step == 4
