"""The benchmark: PyTorch's step is ours, and nobody is left out in silence."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import contestants, host, race, results, step, survey, workers
from experiments.configs import celeba
from vaegan_jax import algorithm, networks, optimizers, settings

BATCH, SIDE = 4, 2  # images; the smallest maps have SIDE x SIDE pixels


def config():
  return settings.change(
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
      # Large enough that L_llike is heard beside L_GAN.
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
  """Lists arrays as PyTorch's parameters have them."""
  arrays = []
  for path in ORDER[network]:
    x = tree
    for key in path.split('/'):
      x = x[key]
    x = np.asarray(x)
    if path == 'dense/kernel' and network != 'decoder':
      x = x.reshape(SIDE, SIDE, -1, x.shape[1]).transpose(2, 0, 1, 3)
      x = x.reshape(-1, x.shape[-1])
    elif network == 'decoder' and path.startswith(('dense', 'normalise_dense')):
      maps = x.reshape(*x.shape[:-1], SIDE, SIDE, -1)
      x = np.moveaxis(maps, -1, -3).reshape(x.shape)
    arrays.append(x.transpose(3, 2, 0, 1) if x.ndim == 4 else x.T)
  return arrays


def test_the_step_in_pytorch_has_our_gradients():
  torch = pytest.importorskip('torch')
  from benchmarks import torch_networks, torch_step

  # Threads that wait for each other are slow where others want the cores.
  torch.set_num_threads(1)
  torch.manual_seed(0)
  nets = settings.networks(config())
  variables = parameters(nets)
  draw = np.random.default_rng(1)
  images = draw.uniform(-1, 1, (BATCH, *nets.decoder.shape))
  images = images.astype(np.float32)
  noise = draw.normal(size=(2, BATCH, nets.latent)).astype(np.float32)
  ours = jax.jit(
    lambda v, x, n: algorithm.descend(
      nets,
      v,
      x,
      noise=algorithm.Noise(*n),
      objective=settings.objective(config()),
    )
  )(variables, jnp.asarray(images), jnp.asarray(noise))

  modules = torch_networks.build(config(), exact=True)
  for name, module in modules._asdict().items():
    arrays = in_their_order(name, variables[name]['params'])
    theirs = list(module.parameters())
    assert len(arrays) == len(theirs)
    for parameter, array in zip(theirs, arrays, strict=True):
      assert parameter.shape == array.shape
      parameter.data = torch.tensor(array)
  descent = torch_step.descend(
    modules,
    torch.tensor(images.transpose(0, 3, 1, 2)),
    noise=torch.tensor(noise),
    objective=torch_step.objective(config()),
  )
  np.testing.assert_allclose(
    descent.costs.numpy(), [ours.terms.real, ours.terms.generated], rtol=1e-4
  )
  for name in networks.NAMES:
    expected = in_their_order(name, ours.gradients[name])
    actual = [g.numpy() for g in descent.gradients[name]]
    for a, b in zip(actual, expected, strict=True):
      assert np.linalg.norm(a - b) <= 1e-4 * max(np.linalg.norm(b), 1e-2), name


def test_the_update_in_pytorch_is_ours_or_none():
  torch = pytest.importorskip('torch')
  from benchmarks import torch_step

  settings_of = {'decay': 0.9, 'weight_decay': 0.01}
  rate = optimizers.schedule(0.1, 0.1, steps=1, power=1, epoch=1)
  ours = optimizers.rmsprop(rate, **settings_of)
  draw = np.random.default_rng(0)
  layer = {'kernel': (3, 2), 'bias': (2,)}
  shapes = {'dense': layer, 'mean': layer}
  params, *gradients = (
    jax.tree.map(
      lambda s: draw.normal(size=s).astype(np.float32),
      shapes,
      is_leaf=lambda s: isinstance(s, tuple),
    )
    for _ in range(3)
  )
  network = torch.nn.ModuleDict(
    {name: torch.nn.Linear(3, 2) for name in shapes}
  )

  def theirs(tree):
    return [
      torch.tensor(tree[name][part].T.copy())
      for name in shapes
      for part in layer
    ]

  for parameter, value in zip(
    network.parameters(), theirs(params), strict=True
  ):
    parameter.data = value
  rms = torch_step.RMSProp(network, rate=0.1, **settings_of)
  state = ours.init(params)
  for gradient in gradients:
    updates, state = ours.update(gradient, state, params, step=0)
    params = jax.tree.map(np.add, params, updates)
    rms.step(theirs(gradient), allowed=torch.tensor(1.0))
    # What is not allowed leaves no trace.
    rms.step(theirs(gradient), allowed=torch.tensor(0.0))
  for parameter, value in zip(
    network.parameters(), theirs(jax.tree.map(np.asarray, params)), strict=True
  ):
    np.testing.assert_allclose(parameter.detach(), value, rtol=1e-5)


def test_an_unknown_contestant_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r"'torhc'.*did you mean torch"):
    contestants.parse(['ours', 'torhc'])


@pytest.mark.parametrize(
  ('sizes', 'batches', 'named'),
  [
    (['60'], ['4'], "--sizes has '60'"),
    (['64'], ['1'], "--batches has '1'"),
    (['64'], ['many'], "--batches has 'many'"),
  ],
)
def test_sizes_that_the_networks_cannot_do_are_refused(sizes, batches, named):
  with pytest.raises(ValueError, match=named):
    step.read_cases(sizes, batches)


def test_what_is_not_installed_is_left_out_and_named():
  names, missing = survey.able(
    [],
    lacks={'jax': [], 'torch': [], 'pythae': ['pythae']},
    platforms={'jax': 'cpu', 'torch': 'cpu'},
  )
  assert names[0] == 'ours'
  assert 'pythae' not in names
  assert [(m.name, m.why) for m in missing] == [
    ('pythae', 'not installed or not working: pythae')
  ]


def test_bfloat16_is_timed_on_a_cpu_only_if_asked_for():
  known = {'lacks': {n: [] for n in ('jax', 'torch', 'pythae')}}
  cpu = dict.fromkeys(('jax', 'torch', 'pythae'), 'cpu')
  gpu = dict.fromkeys(cpu, 'gpu')
  assert 'ours-bf16' not in survey.able([], platforms=cpu, **known)[0]
  assert {'ours-bf16', 'torch-bf16', 'loop'} <= {
    *survey.able([], platforms=gpu, **known)[0]
  }
  assert survey.able(['ours-bf16'], platforms=cpu, **known)[0] == ['ours-bf16']


class Fake:
  """A contestant that takes no time; some fail, at once or in a turn."""

  about = {'flops': 8e9, 'measured_bytes': 4e6}  # noqa: RUF012
  steps = 1

  def __init__(self, worker, name, *, size, batch):
    self.failure = ''
    self._breaks = name == 'pythae'
    if name == 'torch-compile':
      raise host.Failed('no compiler')

  def __call__(self):
    if self._breaks:
      self.failure = 'out of memory'


@pytest.fixture
def fakes(monkeypatch):
  monkeypatch.setattr(workers, 'Runner', Fake)


def test_who_fails_is_reported_and_the_others_go_on(fakes):
  case = race.Case(64, 16)
  timed, missing = race.run(
    ['ours', 'torch-compile', 'pythae', 'torch'],
    case,
    rounds=3,
    shared=False,
    budget=race.Budget(0),
  )
  assert [(t.name, len(t.seconds)) for t in timed] == [
    ('ours', 3),
    ('torch', 3),
  ]
  assert [(m.name, m.why, m.failed) for m in missing] == [
    ('torch-compile', 'no compiler', True),
    ('pythae', 'out of memory', True),
  ]
  reasons = [results.reason(row) for row in results.missing(missing)]
  assert reasons[0] == 'failed: torch-compile (64x64, batch 16): no compiler'


def test_after_the_limit_nothing_is_started_and_all_is_named(fakes):
  budget = race.Budget(1e-9)
  timed, missing = race.run(
    ['ours', 'torch'],
    race.Case(64, 16),
    rounds=3,
    shared=False,
    budget=budget,
  )
  assert not timed
  assert [m.name for m in missing] == ['ours', 'torch']
  assert not any(m.failed for m in missing)


def rows():
  case = race.Case(64, 16)
  timed = [
    race.Timed('ours', case, (2.0, 1.0, 4.0), 1, Fake.about),
    race.Timed('torch', case, (3.0, 3.0, 3.0), 1, {}),
    race.Timed('pythae', case, (5.0,), 1, {}),
  ]
  return results.rows(timed, {'float32': 1e10, 'copy': 1e9})


def test_rows_say_rates_ratios_and_shares_of_the_ceiling():
  ours, torch, pythae = rows()
  assert ours['images_per_second'] == 8
  assert ours['of_matrix_product'] == 0.4
  assert ours['bytes_per_image'] == 250_000
  assert torch['times_ours'] == 1.5
  assert torch['flops'] == ours['flops']
  # Other work, of which we have no count.
  assert 'flops' not in pythae
  assert '1000.0-4000.0' in results.table([ours, torch, pythae])


def test_rows_become_json_and_a_picture(tmp_path):
  from benchmarks import picture

  json.dumps(rows())
  picture.draw(rows(), tmp_path / 'step.png', machine='a machine')
  assert (tmp_path / 'step.png').stat().st_size > 1000


def test_every_contestant_has_a_module_and_a_name_of_its_own():
  for name, contestant in contestants.CONTESTANTS.items():
    assert contestant.name == name
    assert contestant.framework in contestants.FRAMEWORKS
  labels = {c.label for c in contestants.CONTESTANTS.values()}
  assert len(labels) == len(contestants.CONTESTANTS)
