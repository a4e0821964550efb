"""The benchmark's step in PyTorch computes our step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configs import celeba
from vaegan_jax.config import build, schema
from vaegan_jax.core import algorithm, architecture, forward, optimizers

torch = pytest.importorskip('torch')

from benchmarks import torch_networks, torch_step  # noqa: E402

# Several threads are slow where other processes use the cores.
torch.set_num_threads(1)

BATCH, SIDE = 4, 2  # images; the smallest maps have SIDE x SIDE pixels


def config():
  return schema.change(
    celeba.get_config(),
    {
      'data.source': 'faces',
      'data.size': (8 * SIDE, 8 * SIDE),
      'latent_size': 5,
      'encoder.channels': (3, 4, 6),
      'encoder.hidden': 7,
      'decoder.channels': (6, 5, 4, 3),
      'discriminator.channels': (3, 4, 5, 6),
      'discriminator.hidden': 7,
      # Large enough that L_llike matters beside L_GAN.
      'gamma': 0.1,
    },
  )


def parameters(nets):
  """Draws parameters of the networks' shapes."""
  draw = np.random.default_rng(0)
  inputs = {
    'encoder': jnp.zeros((1, *nets.decoder.shape)),
    'decoder': jnp.zeros((1, nets.latent)),
    'discriminator': jnp.zeros((1, *nets.decoder.shape)),
  }
  shapes = {
    name: jax.eval_shape(
      lambda network=network, name=name: network.init(
        jax.random.key(0), inputs[name], train=False
      )
    )
    for name, network in nets.present().items()
  }
  return jax.tree.map(
    lambda x: draw.uniform(-0.5, 0.5, x.shape).astype(np.float32), shapes
  )


# Our layers in the order of PyTorch's parameters.
def _normalised(layer, normalise):
  batch_norm = f'{normalise}/batch_norm'
  return [f'{layer}/kernel', f'{batch_norm}/scale', f'{batch_norm}/bias']


def _dense(*names):
  return [f'{name}/{part}' for name in names for part in ('kernel', 'bias')]


CONVOLUTIONS = [
  name
  for i in (1, 2, 3)
  for name in _normalised(f'convolution_{i}', f'normalise_{i}')
]
DENSE = _normalised('dense', 'normalise_dense')
ORDER = {
  'encoder': [*CONVOLUTIONS, *DENSE, *_dense('mean', 'log_var')],
  'decoder': [*DENSE, *CONVOLUTIONS, *_dense('colours')],
  'discriminator': [
    *_dense('convolutions_0'),
    *_normalised('convolutions_1', 'normalisations_0'),
    *_normalised('convolutions_2', 'normalisations_1'),
    *_normalised('convolutions_3', 'normalisations_2'),
    *DENSE,
    *_dense('logit'),
  ],
}


def in_their_order(network, tree):
  """Lists arrays as PyTorch's parameters have them, with mirrored maps."""
  arrays = []
  for path in ORDER[network]:
    x = tree
    for key in path.split('/'):
      x = x[key]
    x = np.asarray(x)
    if path == 'dense/kernel' and network != 'decoder':
      maps = x.reshape(SIDE, SIDE, -1, x.shape[1])[::-1, ::-1]
      x = maps.transpose(2, 0, 1, 3).reshape(x.shape)
    elif network == 'decoder' and path.startswith(('dense', 'normalise_dense')):
      maps = x.reshape(*x.shape[:-1], SIDE, SIDE, -1)[..., ::-1, ::-1, :]
      x = np.moveaxis(maps, -1, -3).reshape(x.shape)
    arrays.append(x[::-1, ::-1].transpose(3, 2, 0, 1) if x.ndim == 4 else x.T)
  return arrays


def test_the_step_in_pytorch_has_our_gradients():
  nets = build.networks(config())
  variables = parameters(nets)
  draw = np.random.default_rng(1)
  images = draw.uniform(-1, 1, (BATCH, *nets.decoder.shape))
  images = images.astype(np.float32)
  noise = draw.normal(size=(2, BATCH, nets.latent)).astype(np.float32)
  ours = jax.jit(
    lambda v, x, n: algorithm.descend(
      forward.Forward(nets, v, x, forward.Noise(*n), build.objective(config()))
    )
  )(variables, jnp.asarray(images), jnp.asarray(noise))

  modules = torch_networks.build(config())
  for name, module in modules._asdict().items():
    arrays = in_their_order(name, variables[name]['params'])
    theirs = list(module.parameters())
    assert len(arrays) == len(theirs)
    for parameter, array in zip(theirs, arrays, strict=True):
      assert parameter.shape == array.shape
      parameter.data = torch.tensor(array.copy())
  costs, gradients = torch_step.descend(
    modules,
    torch.tensor(images[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy()),
    noise=torch.tensor(noise),
    config=config(),
  )
  np.testing.assert_allclose(
    costs.numpy(), [ours.terms.real, ours.terms.generated], rtol=1e-4
  )
  for name in architecture.NAMES:
    expected = in_their_order(name, ours.gradients[name])
    actual = [g.numpy() for g in gradients[name]]
    for a, b in zip(actual, expected, strict=True):
      assert np.linalg.norm(a - b) <= 1e-4 * max(np.linalg.norm(b), 1e-2), name


def test_the_update_in_pytorch_is_ours_or_none():
  settings = {'decay': 0.9, 'weight_decay': 0.01}
  rate = optimizers.schedule(0.1, 0.1, steps=1, power=1, epoch=1)
  ours = optimizers.rmsprop(rate, **settings)
  draw = np.random.default_rng(0)
  params, *gradients = (
    {
      name: {
        'kernel': draw.normal(size=(3, 2)).astype(np.float32),
        'bias': draw.normal(size=2).astype(np.float32),
      }
      for name in ('dense', 'mean')
    }
    for _ in range(3)
  )
  network = torch.nn.ModuleDict(
    {name: torch.nn.Linear(3, 2) for name in params}
  )

  def theirs(tree):
    return [
      torch.tensor(np.array(layer[part]).T.copy())
      for layer in tree.values()
      for part in ('kernel', 'bias')
    ]

  for parameter, x in zip(network.parameters(), theirs(params), strict=True):
    parameter.data = x
  rms = torch_step.RMSProp(network, rate=0.1, **settings)
  state = ours.init(params)
  for gradient in gradients:
    updates, state = ours.update(gradient, state, params, step=0)
    params = jax.tree.map(np.add, params, updates)
    rms.step(theirs(gradient), allowed=torch.tensor(1.0))
    # A forbidden update changes nothing.
    rms.step(theirs(gradient), allowed=torch.tensor(0.0))
  for parameter, x in zip(network.parameters(), theirs(params), strict=True):
    np.testing.assert_allclose(parameter.detach(), x, rtol=1e-5)
