"""A network run on several streams of inputs, with a pullback for each.

The networks of a VAE/GAN see more than one kind of input: Dec decodes z and
z_p, Dis judges x, x_tilde and x_p. Whether they share one batch normalisation
is a choice, made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

Streams = Mapping[str, Any]
Variables = Mapping[str, Any]


class Pass(NamedTuple):
  """A network run on streams.

  Attributes:
    outputs: of each stream.
    pull: cotangents of some streams' outputs (the others' are zero) -> the
      cotangents of the parameters, and those of the streams they reach.
    statistics: the new 'batch_stats'.
  """

  outputs: dict[str, Any]
  pull: Callable[[Streams], tuple[Any, dict[str, Any]]]
  statistics: Any


def run(
  network: Any,
  variables: Variables,
  streams: Streams,
  *,
  attributes: Array | None = None,
  joint: bool = True,
  train: bool = True,
  method: Callable | None = None,
  recompute: bool = False,
) -> Pass:
  """Runs a network on streams: as one batch, or one after the other.

  Jointly, one batch normalisation couples all streams. Apart, each has its
  own, the new running statistics are the average over streams, and a pullback
  costs nothing for streams without a cotangent.

  Args:
    network: a module.
    variables: its 'params' and 'batch_stats'.
    streams: the inputs by name, all of one batch size.
    attributes: what a conditional network gets beside each stream.
    joint: whether the streams are one batch.
    train: whether a batch is normalised by its own statistics.
    method: of the module; its `__call__` by default.
    recompute: whether the network runs again where a cotangent arrives,
      instead of keeping all that lies between inputs and outputs until then.
  """

  def one(x, count=1):
    condition = (
      () if attributes is None else (_interleave((attributes,) * count),)
    )

    def apply(params, x):
      output, state = network.apply(
        {**variables, 'params': params},
        x,
        *condition,
        train=train,
        method=method,
        mutable=['batch_stats'],
      )
      return output, state['batch_stats']

    if recompute:
      return _recomputing(apply, (variables['params'], x))
    return jax.vjp(apply, variables['params'], x, has_aux=True)

  if joint:
    return _run_joint(one, streams)
  return _run_apart(one, streams)


def unchanged(streams: Streams) -> Pass:
  """Runs no network: the outputs are the inputs, and so are cotangents."""
  return Pass(dict(streams), lambda at: ((), dict(at)), ())


def _run_joint(one: Callable, streams: Streams) -> Pass:
  names = tuple(streams)
  joined = _interleave(tuple(streams.values()))
  output, pull, statistics = one(joined, len(names))
  outputs = dict(zip(names, _separate(output, len(names)), strict=True))

  def pull_streams(cotangents):
    full = tuple(
      cotangents[s]
      if s in cotangents
      else jax.tree.map(jnp.zeros_like, outputs[s])
      for s in names
    )
    params, inputs = pull(_interleave(full))
    return params, dict(zip(names, _separate(inputs, len(names)), strict=True))

  return Pass(outputs, pull_streams, statistics)


def _run_apart(one: Callable, streams: Streams) -> Pass:
  outputs, pulls, statistics = {}, {}, []
  for name, x in streams.items():
    outputs[name], pulls[name], new = one(x)
    statistics.append(new)

  def pull_streams(cotangents):
    pulled = {s: pulls[s](cotangent) for s, cotangent in cotangents.items()}
    params = add(*(params for params, _ in pulled.values()))
    return params, {s: x for s, (_, x) in pulled.items()}

  mean = scale(1 / len(streams), add(*statistics))
  return Pass(outputs, pull_streams, mean)


def _recomputing(
  apply: Callable, arguments: tuple[Any, Any]
) -> tuple[Any, Callable, Any]:
  """Does what `jax.vjp` with an aux does, keeping nothing but the arguments.

  The first pull runs the network again, and the others share what it made.
  Without a barrier XLA would see that all of it was computed before, and keep
  it. `jax.checkpoint` would run the network once a pull, and its barrier does
  not wait for the cotangent.
  """
  output, aux = apply(*arguments)
  made: list[Callable] = []

  def pull(cotangent):
    if not made:
      params, x = arguments
      cotangent, x = jax.lax.optimization_barrier((cotangent, x))
      made.append(jax.vjp(apply, params, x, has_aux=True)[1])
    return made[0](cotangent)

  return output, pull, aux


def _interleave(trees: tuple[Any, ...]) -> Any:
  """Joins batches image by image, so that each device keeps its own rows."""
  return jax.tree.map(
    lambda *xs: jnp.stack(xs, 1).reshape(-1, *xs[0].shape[1:]), *trees
  )


def _separate(tree: Any, streams: int) -> list[Any]:
  """Undoes `_interleave`."""
  return [
    jax.tree.map(
      lambda x, i=i: x.reshape(-1, streams, *x.shape[1:])[:, i], tree
    )
    for i in range(streams)
  ]


def add(*trees: Any) -> Any:
  """Adds trees of arrays, leaf by leaf."""
  return jax.tree.map(lambda *xs: sum(xs[1:], xs[0]), *trees)


def scale(factor: float, tree: Any) -> Any:
  """Multiplies a tree of arrays by a number."""
  return jax.tree.map(lambda x: factor * x, tree)


def add_streams(*streams: Streams) -> dict[str, Any]:
  """Adds cotangents stream by stream; one that is absent counts as zero."""
  names = {s: None for each in streams for s in each}
  return {s: sum(each[s] for each in streams if s in each) for s in names}
