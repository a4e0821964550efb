"""Config -> plain arguments: the one place that knows the names of settings.

A config is checked as a whole before anything is read, compiled or written.
Below training and the launchers no code sees a config.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import ml_collections

from vaegan_jax.config import schema
from vaegan_jax.core import architecture, objectives, optimizers
from vaegan_jax.core.equilibrium import Equilibrium
from vaegan_jax.data import sources

SOURCES = ('faces', 'celeba', 'lfw', 'folder', 'tfds:NAME')
ALL = 'all'

Config: TypeAlias = ml_collections.ConfigDict


def change(config: Config, delta: Mapping[str, Any]) -> Config:
  """Makes a config that differs from another in the dotted names given.

  Raises:
    ValueError: for a name that the other lacks, with the nearest that it has,
      or a value of another type than the one it replaces.
  """
  names = schema.flatten(config)
  for name in delta:
    if name not in names:
      raise ValueError(
        f'config.{name} does not exist{schema.hint(name, names)}'
      )
  changed = config.copy_and_resolve_references()
  for name, value in delta.items():
    try:
      changed.update_from_flattened_dict({name: value})
    except TypeError as error:
      raise ValueError(
        f'config.{name} = {value!r}: expected something like {names[name]!r}'
      ) from error
  return changed.lock()


def check(config: Config) -> None:
  """Refuses settings that cannot work, before anything is compiled.

  Raises:
    ValueError: naming the setting, its value and what is allowed.
  """
  schema.check(schema.flatten(config))
  _check_similarity(config)
  networks(change(config, {'conditional': ''}))
  make_optimizers(config)
  _source_kind(config)


def resolve(config: Config, source: sources.Source) -> Config:
  """Puts the names of the data's attributes where a config says 'all'.

  Raises:
    ValueError: for a conditional model on data without attributes, or
      attributes that the data lack.
  """
  if not config.conditional:
    return config
  if not source.attribute_names:
    raise ValueError(
      f'config.conditional = {config.conditional!r}: {source.name} has no '
      "attributes here; set it to '' or take labelled data"
    )
  if config.conditional == ALL:
    return change(config, {'conditional': ','.join(source.attribute_names)})
  for name in conditional(config):
    if name not in source.attribute_names:
      raise ValueError(
        f'config.conditional names {name!r}: {source.name} has no such '
        f'attribute{schema.hint(name, source.attribute_names)}'
      )
  return config


def model(config: Config) -> objectives.ModelSpec:
  """Gives which of the paper's models a config asks for."""
  return objectives.MODELS[config.model]


def conditional(config: Config) -> tuple[str, ...]:
  """Names the attributes that a resolved config's model is conditional on.

  Raises:
    ValueError: if they stand as 'all' yet.
  """
  if config.conditional == ALL:
    raise ValueError(
      f'config.conditional = {ALL!r}: which those are depends on the data; '
      'resolve the config with its source first'
    )
  if not config.conditional:
    return ()
  names = tuple(name.strip() for name in config.conditional.split(','))
  if len(set(names)) < len(names):
    raise ValueError(
      f'config.conditional = {config.conditional!r}: an attribute stands twice'
    )
  return names


def networks(config: Config) -> architecture.Networks:
  """Builds the networks that a resolved config asks for."""
  height, width = size(config)
  channels = 3 if _is_coloured(config) else config.data.channels
  return architecture.build(
    (height, width, channels),
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
  """Gives what a config says is minimised."""
  unweighted = _unweighted(config)
  return dataclasses.replace(
    unweighted, real_weight=config.real_share * _scale(config)
  )


def _unweighted(config: Config) -> objectives.Objective:
  return objectives.Objective(
    model(config),
    gamma=config.gamma,
    reconstructions=config.reconstructions_judged,
    epsilon=config.log_epsilon,
    non_saturating=config.non_saturating,
    joint_normalisation=config.joint_normalisation,
  )


def _scale(config: Config) -> float:
  """Gives our L_GAN over one whose shares add up to 1.

  The generated streams have in equal parts what real_share leaves; in ours
  each of them has weight 1.
  """
  generated = _unweighted(config).judged()[1:]
  return len(generated) / (1 - config.real_share)


def equilibrium(config: Config) -> Equilibrium | None:
  """Gives the rule that skips networks, or None."""
  if not (config.equilibrium and model(config).adversarial):
    return None
  return Equilibrium(config.equilibrium_centre, config.equilibrium_margin)


def schedule(config: Config, *, scale: float = 1.0) -> optimizers.Schedule:
  """Gives the learning rate, times a scale, as a function of the step."""
  return optimizers.schedule(
    scale * config.optimizer.learning_rate,
    scale * config.optimizer.final_learning_rate,
    steps=config.steps,
    power=config.optimizer.power,
    epoch=config.optimizer.epoch,
  )


def make_optimizers(config: Config) -> dict[str, Any]:
  """Makes an optimizer for each network that learns."""

  def one(name: str):
    rate = schedule(config, scale=config[name].learning_rate_scale)
    weight_decay = config[name].weight_decay
    if name == 'discriminator':
      weight_decay *= _scale(config)
    decay, momentum = config.optimizer.decay, config.optimizer.momentum
    if config.optimizer.name == 'adam':
      return optimizers.adam(
        rate, b1=momentum, b2=decay, weight_decay=weight_decay
      )
    return optimizers.rmsprop(rate, decay=decay, weight_decay=weight_decay)

  return {name: one(name) for name in model(config).learned}


def size(config: Config) -> tuple[int, int]:
  """Gives the images' height and width; one number means a square.

  Raises:
    ValueError: if they are not one or two whole numbers.
  """
  return schema.size(config.data.size)


def source(config: Config) -> sources.Source:
  """Opens the source of images that a config names.

  Raises:
    ValueError: for an unknown source, or one whose path is missing or leads
      nowhere.
  """
  kind, name = _source_kind(config)
  path = pathlib.Path(config.data.path).expanduser()
  if config.data.path and not path.exists():
    raise ValueError(
      f'config.data.path = {path} does not exist: say where the images of '
      f"'{kind}' are, with --config.data.path=PATH"
    )
  height_width = size(config)
  # Each source is imported when it is used: TFDS takes seconds.
  if kind == 'faces':
    from vaegan_jax.data.sources import faces

    return faces.Faces(
      height_width, seed=config.data.seed, train=config.data.faces
    )
  if kind == 'celeba':
    from vaegan_jax.data.sources import celeba

    return celeba.CelebA(
      path,
      height_width,
      train_on_validation=config.data.train_on_validation,
      skip_broken=config.data.skip_broken,
    )
  if kind == 'lfw':
    from vaegan_jax.data.sources import lfw

    return lfw.LFW(path, height_width, skip_broken=config.data.skip_broken)
  if kind == 'folder':
    from vaegan_jax.data.sources import folder

    return folder.Folder(
      path,
      height_width,
      channels=config.data.channels,
      skip_broken=config.data.skip_broken,
    )
  from vaegan_jax.data.sources import tfds

  return tfds.Tfds(
    name,
    height_width,
    channels=config.data.channels,
    data_dir=path if config.data.path else None,
    skip_broken=config.data.skip_broken,
  )


def cache_directory(config: Config) -> pathlib.Path | None:
  """Gives where converted data is kept; None: the user's cache."""
  where = config.data.cache
  return pathlib.Path(where).expanduser() if where else None


def _check_similarity(config: Config) -> None:
  """Checks that a model that takes a network from another run names one."""
  given, similarity = model(config).given, config.similarity
  if given and not similarity:
    raise ValueError(
      f"config.similarity is empty: '{config.model}' takes its {given} from a "
      'trained run; name its folder with --config.similarity=DIR'
    )
  if similarity and not given:
    raise ValueError(
      f"config.similarity = {similarity!r}: '{config.model}' takes no "
      "network from another run; set it to '', or config.model to vae_dis"
    )


def _is_coloured(config: Config) -> bool:
  return config.data.source in ('faces', 'celeba', 'lfw')


def _source_kind(config: Config) -> tuple[str, str]:
  """Splits 'tfds:NAME' into its parts, and checks what it can."""
  kind, colon, name = config.data.source.partition(':')
  kinds = [s.partition(':')[0] for s in SOURCES]
  if (
    kind not in kinds or (kind == 'tfds') != bool(name) or (colon and not name)
  ):
    raise ValueError(
      f'config.data.source = {config.data.source!r}: expected one of '
      f'{", ".join(SOURCES)}{schema.hint(kind, kinds)}'
    )
  if kind in ('celeba', 'lfw', 'folder') and not config.data.path:
    raise ValueError(
      f"config.data.path is empty: say where the images of '{kind}' are, with "
      '--config.data.path=PATH'
    )
  if kind == 'faces' and config.data.path:
    raise ValueError(
      f"config.data.path = {config.data.path!r}: the images of 'faces' are "
      "drawn, not read; set it to '', or config.data.source to folder"
    )
  if _is_coloured(config) and config.data.channels != 3:
    raise ValueError(
      f"config.data.channels = {config.data.channels}: '{kind}' has 3"
    )
  return kind, name
