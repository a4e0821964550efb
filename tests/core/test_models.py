"""The four models, conditional or not, from config to images."""

import jax
import numpy as np
import pytest

import vaegan_jax
from tests import small
from vaegan_jax.core import metrics, objectives
from vaegan_jax.runs import checkpoints, records
from vaegan_jax.training import loop

NAMES = 'Male,Eyeglasses,Smiling'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('models')


@pytest.fixture(scope='module')
def trained(folder, drawn):
  """A run of 4 steps of each model; the frozen Dis is that of the GAN."""

  def train(name, **changes):
    config = small.config(
      drawn,
      steps=4,
      save_every=4,
      picture_every=4,
      **changes,
    )
    loop.train(config, folder / name)
    return vaegan_jax.load(folder / name)

  return {
    'gan': train('gan', model='gan'),
    'vae': train('vae', model='vae'),
    'vae_dis': train(
      'vae_dis', model='vae_dis', similarity=str(folder / 'gan')
    ),
    'conditional': train('conditional', conditional=NAMES),
  }


def networks_of(folder, name):
  return checkpoints.load(folder / name).state['networks']


def pixels(model, count=3):
  shape = (count, *model.image_shape)
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_each_model_has_the_networks_of_the_paper(trained, folder):
  del trained
  assert set(networks_of(folder, 'vae')) == {'encoder', 'decoder'}
  assert set(networks_of(folder, 'gan')) == {'decoder', 'discriminator'}
  assert len(networks_of(folder, 'vae_dis')) == 3


def test_a_frozen_discriminator_is_that_of_the_gan_to_the_end(trained, folder):
  del trained
  given, frozen = (
    networks_of(folder, name)['discriminator'] for name in ('gan', 'vae_dis')
  )
  for part in ('params', 'batch_stats'):
    jax.tree.map(np.testing.assert_array_equal, given[part], frozen[part])


@pytest.mark.parametrize(
  ('name', 'model'),
  [
    ('gan', 'gan'),
    ('vae', 'vae'),
    ('vae_dis', 'vae_dis'),
    ('conditional', 'vaegan'),
  ],
)
def test_a_run_logs_exactly_the_metrics_of_the_registry(
  trained, folder, name, model
):
  del trained
  rows = records.read_rows(folder / name / records.METRICS)
  networks = objectives.MODELS[model]
  registered = metrics.logged(learned=networks.learned, given=networks.given)
  names = {'step', *(metric.name for metric in registered)}
  assert [set(row) for row in rows] == [names] * 4


def test_learned_networks_are_updated_in_every_step(trained, folder):
  del trained
  for name in ('vae', 'gan', 'conditional'):
    for network in networks_of(folder, name).values():
      assert network['updates'] == 4


@pytest.mark.parametrize('name', ['vae', 'vae_dis'])
def test_models_with_an_encoder_reconstruct(trained, name):
  made = trained[name].reconstruct(pixels(trained[name]))
  assert made.shape == (3, *trained[name].image_shape)


def test_a_gan_samples_and_refuses_to_encode(trained):
  gan = trained['gan']
  assert gan.sample(2).shape == (2, *gan.image_shape)
  with pytest.raises(ValueError, match='is a GAN and has no encoder'):
    gan.encode(pixels(gan))
  with pytest.raises(ValueError, match='is a GAN and has no encoder'):
    gan.reconstruct(pixels(gan))


def test_a_conditional_model_decodes_one_code_by_its_attributes(trained):
  model = trained['conditional']
  assert model.attribute_names == tuple(NAMES.split(','))
  codes = np.repeat(model.sample_prior(1), 2, axis=0)
  one, other = model.decode(codes, np.array([[0, 0, 0], [1, 1, 1]]))
  assert (one != other).any()


def test_a_conditional_model_requires_attributes_of_its_shape(trained):
  model = trained['conditional']
  with pytest.raises(ValueError, match='conditional on 3 attributes'):
    model.sample(2)
  with pytest.raises(ValueError, match=r'takes \(2, 3\)'):
    model.sample(2, np.zeros((2, 4)))


def test_an_unconditional_model_refuses_attributes(trained):
  with pytest.raises(ValueError, match='is not conditional'):
    trained['vae'].sample(2, np.zeros((2, 3)))


def test_the_report_of_a_gan_has_no_reconstructions(trained, folder):
  del trained
  page = (folder / 'gan' / 'report.html').read_text()
  assert 'id="samples"' in page
  assert 'id="reconstructions"' not in page
  assert not (folder / 'gan' / 'figures' / 'reconstructions.png').exists()


def test_a_similarity_of_other_layers_is_refused_before_anything_is_written(
  trained, folder, drawn
):
  del trained
  config = small.config(
    drawn,
    model='vae_dis',
    similarity=str(folder / 'gan'),
    discriminator__channels=(4, 5),
  )
  with pytest.raises(ValueError, match=r'Give both runs the same'):
    loop.train(config, folder / 'refused')
  assert not (folder / 'refused').exists()


def test_a_similarity_without_a_discriminator_is_refused(
  trained, folder, drawn
):
  del trained
  config = small.config(drawn, model='vae_dis', similarity=str(folder / 'vae'))
  with pytest.raises(ValueError, match='which has no discriminator'):
    loop.train(config, folder / 'refused')
