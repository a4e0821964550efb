"""A run starts from the weights of another one, or is refused."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import small
from vaegan_jax.config import schema
from vaegan_jax.core import objectives, train_state, train_step
from vaegan_jax.runs import checkpoints, config_file, exports, records
from vaegan_jax.training import loop, pretrained, setup


@pytest.fixture(scope='module')
def runs(tmp_path_factory, drawn):
  """A VAE/GAN of 2 steps, and a VAE of 1 step that keeps no average."""
  folder = tmp_path_factory.mktemp('runs')
  once = {'save_every': 1, 'picture_every': 2}
  loop.train(small.config(drawn, steps=2, **once), folder / 'vaegan')
  loop.train(
    small.config(drawn, steps=1, model='vae', average_decay=0.0, **once),
    folder / 'vae',
  )
  return folder


def start(**changes):
  """Returns the initial state of a run."""
  config = small.config(seed=7, **changes)
  run = setup.prepare(config)
  weights = pretrained.read(config, run.abstract_state)
  return pretrained.adopt(run.initialise(), weights)


def saved(run, step=None):
  state = checkpoints.load(run, step=step).state['networks']
  return {n: train_state.NetworkState(**x) for n, x in state.items()}


def assert_equal(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize('model', ['vaegan', 'vae', 'gan'])
def test_every_network_that_both_models_learn_is_taken(runs, model):
  state = start(model=model, init_from=str(runs / 'vaegan'))
  fresh = setup.prepare(small.config(seed=7, model=model)).initialise()
  there = saved(runs / 'vaegan')
  assert set(state.networks) == set(objectives.MODELS[model].learned)
  for name, network in state.networks.items():
    assert_equal(network.variables(), there[name].variables())
    assert_equal(network.opt_state, fresh.networks[name].opt_state)
    assert network.updates == 0
  assert_equal(state.networks['decoder'].average, there['decoder'].average)
  assert state.step == 0
  assert_equal(*(jax.random.key_data(x.key) for x in (state, fresh)))


def test_networks_that_the_other_model_lacks_are_random(runs):
  state = start(init_from=str(runs / 'vae'))
  there = saved(runs / 'vae')
  fresh = setup.prepare(small.config(seed=7)).initialise()
  for name in ('encoder', 'decoder'):
    assert_equal(state.networks[name].variables(), there[name].variables())
  assert_equal(state.networks['discriminator'], fresh.networks['discriminator'])
  # The average starts from what it averages.
  assert_equal(state.networks['decoder'].average, there['decoder'].variables())


def test_a_run_without_an_average_starts_from_the_one_there(runs):
  state = start(average_decay=0.0, init_from=str(runs / 'vaegan'))
  there = saved(runs / 'vaegan')['decoder']
  assert_equal(state.networks['decoder'].variables(), there.average)


def test_a_checkpoint_that_is_not_the_newest_is_taken_by_its_path(runs):
  path = runs / 'vaegan' / 'checkpoints' / '1'
  encoder = start(init_from=str(path)).networks['encoder']
  there = saved(runs / 'vaegan', step=1)['encoder']
  assert_equal(encoder.variables(), there.variables())


@pytest.mark.parametrize('model', ['vaegan', 'gan'])
def test_the_networks_of_an_exported_model_are_taken(runs, tmp_path, model):
  export = exports.read(runs / 'vaegan')
  exports.write(tmp_path / 'model', export, card='')
  state = start(model=model, init_from=str(tmp_path / 'model'))
  there = saved(runs / 'vaegan')
  for name, network in state.networks.items():
    # An export holds the average alone.
    assert_equal(network.variables(), there[name].evaluated())
    assert_equal(network.evaluated(), there[name].evaluated())


def test_a_vae_dis_takes_the_discriminator_of_an_exported_model(runs, tmp_path):
  exports.write(tmp_path / 'model', exports.read(runs / 'vaegan'), card='')
  state = start(model='vae_dis', similarity=str(tmp_path / 'model'))
  there = saved(runs / 'vaegan')['discriminator']
  discriminator = state.networks['discriminator']
  assert_equal(discriminator.variables(), there.evaluated())


WRONG = [
  ({'latent_size': 6},
    ['latent_size: 5 there, 6 here', r'mean/kernel is float32\[8, 5\] there']),
  ({'data__size': (16, 32)},
    [r'data\.size: \(16, 16\) there, \(16, 32\) here', 'decoder/params/dense']),
  ({'discriminator__channels': (4, 6)},
    [r'discriminator\.channels: \(4, 4\) there', r'dis\w+/params/dense/ker']),
  ({'width': 2.0}, ['width: 1.0 there, 2.0 here', r'and \d+ more\n']),
  ({'encoder__channels': (4, 4)}, [r'\(4,\) there', 'is absent there and flo']),
  ({'conditional': 'Male'}, ["conditional: '' there, 'Male' here"]),
]  # fmt: skip


@pytest.mark.parametrize(('changes', 'lines'), WRONG)
def test_networks_that_do_not_fit_are_listed_and_nothing_is_written(
  runs, drawn, tmp_path, changes, lines
):
  config = small.config(drawn, init_from=str(runs / 'vaegan'), **changes)
  with pytest.raises(ValueError, match='does not fit this run:\n') as error:
    loop.train(config, tmp_path / 'new')
  for line in lines:
    assert error.match(line)
  assert not (tmp_path / 'new').exists()


def test_other_attributes_in_equal_number_are_refused(runs, tmp_path):
  other = shutil.copytree(runs / 'vaegan', tmp_path / 'other')
  config = schema.change(config_file.read(other), {'conditional': 'Smiling'})
  (other / 'config.json').unlink()
  config_file.write(other, config)
  here = small.config(conditional='Male', init_from=str(other))
  like = setup.prepare(small.config()).abstract_state
  with pytest.raises(ValueError, match="'Smiling' there, 'Male' here"):
    pretrained.read(here, like)


@pytest.mark.usefixtures('unchecked')
@pytest.mark.parametrize('setting', ['init_from', 'similarity'])
@pytest.mark.parametrize(
  'path', ['nowhere', 'file', 'empty', 'vaegan/checkpoints/9']
)
def test_a_folder_without_a_run_is_refused_by_setting_and_path(
  runs, tmp_path, setting, path
):
  for name in ('vaegan', 'empty'):
    (tmp_path / name).mkdir()
    shutil.copy(runs / 'vaegan' / 'config.json', tmp_path / name)
  (tmp_path / 'file').touch()
  config = small.config(**{setting: str(tmp_path / path)})
  with pytest.raises(ValueError, match=f'config.{setting} = {tmp_path / path}'):
    pretrained.read(config, None)


def test_a_damaged_checkpoint_is_not_started_from(runs, tmp_path):
  other = shutil.copytree(runs / 'vae', tmp_path / 'other')
  (other / 'checkpoints' / '1' / 'manifest.json').write_text('')
  for path in (other, other / 'checkpoints' / '1'):
    with pytest.raises(ValueError, match=r'damaged|intact'):
      start(init_from=str(path))


def test_a_run_cannot_start_from_itself(runs, drawn):
  for path in (runs / 'vae', runs / 'vae' / 'checkpoints' / '1'):
    config = small.config(drawn, init_from=str(path))
    with pytest.raises(ValueError, match=r'raise config\.steps to lengthen'):
      loop.train(config, runs / 'vae')


def test_an_adopted_average_is_not_forgotten_within_a_few_steps():
  network = train_state.NetworkState(
    {'w': jnp.ones(1)},
    {},
    (),
    jnp.array(1),
    average={
      'params': {'w': jnp.zeros(1)},
      'batch_stats': {},
    },
  )
  kept, ramped = (
    train_step._average(network, decay=0.9, ramps=ramps).average['params']['w']
    for ramps in (False, True)
  )
  np.testing.assert_allclose(kept, 0.1, rtol=1e-6)
  np.testing.assert_allclose(ramped, 10 / 11, rtol=1e-6)


def test_a_run_resumes_without_the_runs_that_it_started_from(
  runs, drawn, tmp_path
):
  for name in ('vae', 'vaegan'):
    shutil.copytree(runs / name, tmp_path / name)
  config = small.config(
    drawn,
    model='vae_dis',
    steps=3,
    save_every=1,
    picture_every=3,
    similarity=str(tmp_path / 'vaegan'),
    init_from=str(tmp_path / 'vae'),
  )
  loop.train(config, tmp_path / 'run')
  shutil.copytree(tmp_path / 'run', tmp_path / 'cut')
  shutil.rmtree(tmp_path / 'cut' / 'checkpoints' / '3')
  for name in ('vae', 'vaegan'):
    shutil.rmtree(tmp_path / name)
  loop.train(config, tmp_path / 'cut')
  small.assert_equal_runs(tmp_path / 'run', tmp_path / 'cut')
  assert_equal(
    saved(tmp_path / 'cut')['discriminator'].variables(),
    saved(runs / 'vaegan')['discriminator'].variables(),
  )
  first, second = records.read_rows(tmp_path / 'cut' / records.STARTS)
  assert 'weights' not in second
  assert [
    (x['setting'], x['step'], x['networks']) for x in first['weights']
  ] == [
    ('init_from', 1, ['encoder', 'decoder']),
    ('similarity', 2, ['discriminator']),
  ]
  page = (tmp_path / 'cut' / 'report.html').read_text()
  assert 'Weights of encoder, decoder' in page
  assert f'{tmp_path / "vae"}, step 1' in page
  with pytest.raises(ValueError, match=r'config\.init_from = .* expected the'):
    loop.train(config, tmp_path / 'again')
  assert not (tmp_path / 'again').exists()
