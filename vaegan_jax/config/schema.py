"""Every setting of a training run: its type, default, bounds and meaning.

A setting without a default is a decision of an experiment;
experiments/configs/celeba.py makes those of the paper. The checks, the refusals
of wrong flags and docs/settings.md derive from this table. It needs no JAX.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

import ml_collections

from vaegan_jax.config.setting import KINDS, Setting, hint
from vaegan_jax.files import paths

__all__ = ['KINDS', 'Setting', 'hint']

Config: TypeAlias = ml_collections.ConfigDict

_flag = functools.partial(Setting, bool)
_whole = functools.partial(Setting, int)
_number = functools.partial(Setting, float)
_text = functools.partial(Setting, str)
_path = functools.partial(Setting, str, path=True)
_layers = functools.partial(
  Setting, tuple, form='whole numbers above 0, one a layer, as in 64,128,256'
)
_count = functools.partial(_whole, least=1)
_positive = functools.partial(_number, positive=True)
_seed = functools.partial(_whole, most=2**32 - 1)
# At 1 Adam divides 0 by 0, and an average stays as it is.
_moment = functools.partial(_number, most=0.999_999)
_scale = functools.partial(
  _positive, 'Multiple of optimizer.learning_rate.', 1.0
)
_weight_decay = functools.partial(
  _number,
  'Weight decay: adds 2 * this * W to the gradient of kernels W, but of those '
  'of mean and log_var.',
)

SETTINGS: dict[str, Setting] = {
  'model': _text(
    "The paper's model to train.", choices=('vaegan', 'vae', 'vae_dis', 'gan')
  ),
  'similarity': _path('vae_dis: run folder that provides its Dis.', ''),
  'init_from': _path(
    'Run, checkpoint of one, or exported model whose weights it starts from.',
    '',
  ),
  'conditional': _text(
    "Attributes to condition on: 'all', or names as a row of CSV.", ''
  ),
  'steps': _count(
    'Training steps; a larger number lengthens a run.', grows=True
  ),
  'batch_size': _whole('Images per step, over all devices.', least=2),
  'seed': _seed('Seed of the parameters, the noise and the data order.', 0),
  # The objective.
  'gamma': _number("Weight of L_llike against L_GAN in the decoder's loss."),
  'real_share': _number('Share of log Dis(x) in L_GAN.', most=0.999),
  'reconstructions_judged': _flag('L_GAN has a term for x_tilde.'),
  'log_epsilon': _number('Added inside the logarithms of L_GAN.', most=1),
  'non_saturating': _flag('Dec minimises -log Dis, not log(1 - Dis).', False),
  'joint_normalisation': _flag(
    'Share one batch norm among x, x_tilde and x_p.'
  ),
  'prior_weight': _number('Weight of L_prior in the loss of Enc.', 1.0),
  'unit_features': _flag('L_llike divides Dis_l by its RMS over x.', False),
  'pixel_weight': _number('Weight of the error of pixels in L_llike.', 0.0),
  'relative_gamma': _flag(
    "Make gamma the ratio of the RMS of L_llike's gradient to L_GAN's.", False
  ),
  'gan_reaches_encoder': _flag(
    'An error of some ports: Enc ascends L_GAN as well.', False
  ),
  'llike_reaches_discriminator': _flag(
    'An error of some ports: Dis descends L_llike as well.', False
  ),
  'equilibrium': _flag('Skip updates of the network that is winning.'),
  'equilibrium_centre': _number('Centre of that rule, in nats.'),
  'equilibrium_margin': _number('Margin of that rule, in nats.'),
  'average_decay': _moment('Decay of the average of Dec; 0: off.', 0.0),
  # The networks.
  'latent_size': _count('Dimensions of a code z.'),
  'width': _positive('Multiple of all channels and units.', 1.0),
  'encoder.channels': _layers('Channels of the strided convolutions.'),
  'encoder.hidden': _count('Units of the dense layer.'),
  'encoder.learning_rate_scale': _scale(),
  'encoder.weight_decay': _weight_decay(),
  'decoder.channels': _layers('Maps of the dense layer, then strided ones.'),
  'decoder.learning_rate_scale': _scale(),
  'decoder.weight_decay': _weight_decay(),
  'discriminator.channels': _layers('Channels; the first layer has stride 1.'),
  'discriminator.hidden': _count('Units of the dense layer.'),
  'discriminator.layer': _whole('Layer that yields Dis_l, counted from 0.'),
  'discriminator.learning_rate_scale': _scale(),
  'discriminator.weight_decay': _number(
    'Weight decay, as above; times generated terms of L_GAN / (1 - real_share).'
  ),
  # The optimizers: one of this kind for each network.
  'optimizer.name': _text(
    'Optimizer of each network.', choices=('rmsprop', 'adam')
  ),
  'optimizer.learning_rate': _positive('Learning rate of the first epoch.'),
  'optimizer.final_learning_rate': _number(
    'Learning rate after the last step.'
  ),
  'optimizer.power': _positive('Power of the polynomial decay in between.'),
  'optimizer.epoch': _count('Steps between changes of the learning rate.'),
  'optimizer.decay': _moment("Decay of RMSProp's mean square; Adam's b2."),
  'optimizer.momentum': _moment("Adam's b1; RMSProp has none.", 0.0),
  # The data.
  'data.source': _text(
    'Source of the images.', form='faces, celeba, lfw, folder or tfds:NAME'
  ),
  'data.path': _path('Folder or archive of the images.', '', runtime=True),
  'data.labels': _text(
    'folder: labels from attributes.csv, or the folder that holds an image.',
    'table',
    choices=('table', 'folders'),
  ),
  'data.size': _layers(
    'Height and width of the images in pixels.',
    most=2,
    form='a height and a width, as in 64,64, or one number for a square',
  ),
  'data.channels': _count('Channels: 3 for RGB, 1 for grey.', 3, most=3),
  'data.flips': _flag('Mirror each image with probability 1/2.'),
  'data.jitter': _flag('Move and recolour images slightly.'),
  'data.train_on_validation': _flag('celeba, folder, tfds: use both splits.'),
  'data.faces': _count('faces: training images to draw.', 20_000, most=10**7),
  'data.seed': _seed('faces: seed of the images.', 0),
  'data.cache': _path(
    "Folder of decoded images; '' is ~/.cache/vaegan_jax.", '', runtime=True
  ),
  'data.rebuild': _whole('A new number rebuilds the cache.', 0, runtime=True),
  'data.skip_broken': _flag(
    'Train even if more than 1 image in 1000 is unusable.', False, runtime=True
  ),
  'data.resident': _whole(
    'Bytes up to which the data stays on the devices.', 4 << 30, runtime=True
  ),
  # The computation, and what is written.
  'compile': _text(
    'Transformation that parallelises a step: jit over a mesh, or pmap.',
    'jit',
    choices=('jit', 'pmap'),
    runtime=True,
  ),
  'dtype': _text(
    'Type of the activations in training; all else is float32.',
    'float32',
    choices=('float32', 'bfloat16'),
  ),
  'recompute': _flag(
    'Recompute the activations of Enc and Dec to save memory.',
    False,
    runtime=True,
  ),
  'steps_per_dispatch': _count('Steps per call of the compiled program.', 1),
  'log_every': _count('Steps between rows of metrics.jsonl.', 50),
  'picture_every': _count('Steps between pictures.', 1250),
  'save_every': _count('Steps between checkpoints.', 1250, runtime=True),
  'keep': _count('Newest checkpoints to keep.', 3, runtime=True),
  'keep_every': _whole(
    'Steps between checkpoints kept forever; 0: none.', 12_500, runtime=True
  ),
}


def flatten(
  config: Config | Mapping[str, Any], prefix: str = ''
) -> dict[str, Any]:
  """Lists the settings of a config by dotted name."""
  flat: dict[str, Any] = {}
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict | dict):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[prefix + name] = value
  return flat


def make(values: Mapping[str, Any]) -> Config:
  """Makes a config of an experiment's values and the defaults.

  Args:
    values: by dotted name; every setting without a default is needed.

  Raises:
    ValueError: if a name is unknown or missing, or a value is not allowed.
  """
  decided = {n: s.default for n, s in SETTINGS.items() if s.default is not None}
  flat = {**decided, **values}
  check(flat)
  return nest({name: flat[name] for name in SETTINGS})


def nest(flat: Mapping[str, Any]) -> Config:
  """Makes a config of settings by dotted name, unchecked."""
  nested: dict[str, Any] = {}
  for name, value in flat.items():
    section, dot, last = name.rpartition('.')
    inner = nested.setdefault(section, {}) if dot else nested
    inner[last] = value
  return ml_collections.ConfigDict(nested).lock()


def change(config: Config, delta: Mapping[str, Any]) -> Config:
  """Returns a config that differs from another in the dotted names given.

  Raises:
    ValueError: for an unknown name, with the nearest known one, or a value of
      another type than the one it replaces.
  """
  names = flatten(config)
  changed = config.copy_and_resolve_references()
  for name, value in delta.items():
    if name not in names:
      raise ValueError(f'config.{name} does not exist{hint(name, names)}')
    try:
      changed.update_from_flattened_dict({name: value})
    except TypeError as error:
      raise ValueError(
        f'config.{name} = {value!r}: expected something like {names[name]!r}'
      ) from error
  return changed.lock()


def with_absolute_paths(config: Config) -> Config:
  """Returns a config whose paths mean the same from every folder.

  Raises:
    ValueError: as `paths.absolute`.
  """
  return change(
    config,
    {
      name: str(paths.absolute(value, name=f'config.{name}'))
      for name, value in flatten(config).items()
      if value and SETTINGS[name].path
    },
  )


def check(flat: Mapping[str, Any]) -> None:
  """Checks each setting on its own; `checks.check` checks whole configs.

  Args:
    flat: all settings by dotted name.

  Raises:
    ValueError: for an unknown or missing name, or a value that is not allowed.
  """
  for name, value in flat.items():
    if name not in SETTINGS:
      raise ValueError(f'config.{name} does not exist{hint(name, SETTINGS)}')
    SETTINGS[name].require(value, name=f'config.{name}')
    if SETTINGS[name].path and value:
      paths.absolute(value, name=f'config.{name}')
  for name in SETTINGS:
    if name not in flat:
      raise ValueError(
        f'config.{name} is missing: derive the config from one of '
        'experiments/configs with schema.change'
      )
