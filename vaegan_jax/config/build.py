"""Config -> plain objects: the only code that reads settings one by one.

Code below training and the launchers takes plain arguments, not configs.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
from collections.abc import Sequence

import optax

from vaegan_jax.config import schema
from vaegan_jax.config.schema import Config
from vaegan_jax.core import architecture, objectives, optimizers
from vaegan_jax.core.equilibrium import Equilibrium
from vaegan_jax.data import cache, sources
from vaegan_jax.files import paths

# Sources that read config.data.path themselves.
ON_DISK = ('celeba', 'lfw', 'folder')

# The value of config.conditional that stands for all attributes of the data.
ALL = 'all'


def model(config: Config) -> objectives.ModelSpec:
  """Returns the description of the paper's model that a config names."""
  return objectives.MODELS[config.model]


def resolve(config: Config, source: sources.Source) -> Config:
  """Replaces 'all' by the names of the data's attributes.

  Raises:
    ValueError: for a conditional model of data without attributes, or for
      attributes that the data lack.
  """
  if not config.conditional:
    return config
  known = source.attribute_names
  if not known:
    raise ValueError(
      f'config.conditional = {config.conditional!r}: {source.name} has no '
      "attributes here; set it to '' or use labelled data: a folder of images "
      'with attributes.csv, or with config.data.labels = folders'
    )
  if config.conditional == ALL:
    return schema.change(config, {'conditional': _join(known)})
  for name in conditional(config):
    if name not in known:
      raise ValueError(
        f'config.conditional names {name!r}: {source.name} has no such '
        f'attribute{schema.hint(name, known)}'
      )
  return config


def conditional(config: Config) -> tuple[str, ...]:
  """Returns the names of the attributes that a resolved config conditions on.

  Raises:
    ValueError: if they are still 'all', or if a name is repeated.
  """
  given = config.conditional
  if given == ALL:
    raise ValueError(
      f'config.conditional = {given!r}: the names depend on the data; resolve '
      'the config with its source first'
    )
  # A name that holds a comma is in quotes.
  rows = csv.reader([given], skipinitialspace=True)
  names = tuple(name.strip() for row in rows for name in row)
  if len(set(names)) < len(names):
    raise ValueError(
      f'config.conditional = {given!r}: an attribute is repeated'
    )
  return names


def _join(names: Sequence[str]) -> str:
  text = io.StringIO()
  csv.writer(text, lineterminator='').writerow(names)
  return text.getvalue()


def networks(config: Config) -> architecture.Networks:
  """Builds the networks of a resolved config."""
  return architecture.build(
    (*size(config), config.data.channels),
    latent=config.latent_size,
    width=config.width,
    encoder=tuple(config.encoder.channels),
    encoder_hidden=config.encoder.hidden,
    decoder=tuple(config.decoder.channels),
    discriminator=tuple(config.discriminator.channels),
    discriminator_hidden=config.discriminator.hidden,
    layer=config.discriminator.layer,
    names=model(config).networks(),
    attributes=len(conditional(config)),
  )


def objective(config: Config) -> objectives.Objective:
  """Returns the objective that a config describes."""
  weight = config.real_share * _gan_scale(config)
  return dataclasses.replace(_unweighted(config), real_weight=weight)


def _unweighted(config: Config) -> objectives.Objective:
  return objectives.Objective(
    model(config),
    gamma=config.gamma,
    reconstructions_judged=config.reconstructions_judged,
    epsilon=config.log_epsilon,
    non_saturating=config.non_saturating,
    joint_normalisation=config.joint_normalisation,
    prior_weight=config.prior_weight,
    unit_features=config.unit_features,
    pixel_weight=config.pixel_weight,
    relative_gamma=config.relative_gamma,
    gan_reaches_encoder=config.gan_reaches_encoder,
    llike_reaches_discriminator=config.llike_reaches_discriminator,
  )


def _gan_scale(config: Config) -> float:
  """Returns the ratio of our L_GAN to one whose shares add up to 1.

  The generated streams share in equal parts what real_share leaves; in our
  L_GAN each of them has weight 1.
  """
  generated = _unweighted(config).judged()[1:]
  return len(generated) / (1 - config.real_share)


def equilibrium(config: Config) -> Equilibrium | None:
  """Returns the rule that skips updates, or None."""
  if not (config.equilibrium and model(config).adversarial):
    return None
  return Equilibrium(config.equilibrium_centre, config.equilibrium_margin)


def schedule(config: Config, *, scale: float = 1.0) -> optax.Schedule:
  """Returns the learning rate times a scale, as a function of the step."""
  return optimizers.schedule(
    scale * config.optimizer.learning_rate,
    scale * config.optimizer.final_learning_rate,
    steps=config.steps,
    power=config.optimizer.power,
    epoch=config.optimizer.epoch,
  )


def make_optimizers(
  config: Config,
) -> dict[str, optax.GradientTransformationExtraArgs]:
  """Makes an optimizer for each network that learns."""

  def one(name: str) -> optax.GradientTransformationExtraArgs:
    rate = schedule(config, scale=config[name].learning_rate_scale)
    weight_decay = config[name].weight_decay
    if name == 'discriminator':
      weight_decay *= _gan_scale(config)
    decay, momentum = config.optimizer.decay, config.optimizer.momentum
    if config.optimizer.name == 'adam':
      return optimizers.adam(
        rate, b1=momentum, b2=decay, weight_decay=weight_decay
      )
    return optimizers.rmsprop(rate, decay=decay, weight_decay=weight_decay)

  return {name: one(name) for name in model(config).learned}


def size(config: Config) -> tuple[int, int]:
  """Returns the images' height and width in pixels."""
  return config.data.size[0], config.data.size[-1]


def source(config: Config) -> sources.Source:
  """Opens the source of images that a checked config names.

  Raises:
    ValueError: if config.data.path does not exist, or is missing.
  """
  kind, _, name = config.data.source.partition(':')
  data, path = config.data, pathlib.Path()
  if data.path:
    path = paths.absolute(data.path, name='config.data.path')
    if not path.exists():
      raise ValueError(
        f'config.data.path = {path} does not exist: name the folder of the '
        f"images of '{kind}' with --config.data.path=PATH of "
        'experiments.train, whose command also notes it for the others, or '
        'with --data_path=PATH of experiments.evaluate'
      )
  elif kind in ON_DISK:
    # An exported model has no path.
    raise ValueError(
      f"config.data.path is empty: name the folder of the images of '{kind}' "
      'with --config.data.path=PATH of experiments.train, or with '
      '--data_path=PATH of experiments.evaluate'
    )
  shape = size(config)
  options = {
    'skip_broken': data.skip_broken,
    'train_on_validation': data.train_on_validation,
  }
  # Late: sources import SciPy, which only some runs need.
  from vaegan_jax.data.sources import celeba, faces, folder, lfw, tfds

  match kind:
    case 'faces':
      return faces.Faces(shape, seed=data.seed, train=data.faces)
    case 'celeba':
      return celeba.CelebA(path, shape, **options)
    case 'lfw':
      return lfw.LFW(path, shape, skip_broken=data.skip_broken)
    case 'folder':
      return folder.Folder(
        path,
        shape,
        channels=data.channels,
        folder_labels=data.labels == 'folders',
        **options,
      )
  return tfds.Tfds(
    name,
    shape,
    channels=data.channels,
    data_dir=path if data.path else None,
    **options,
  )


def cache_directory(config: Config) -> pathlib.Path | None:
  """Returns the folder of decoded images; None: the user's cache."""
  where, number = config.data.cache, config.data.rebuild
  folder = paths.absolute(where, name='config.data.cache') if where else None
  if not number:
    return folder
  return (folder or cache.default_directory()) / f'rebuild-{number}'
