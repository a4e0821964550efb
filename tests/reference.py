"""Algorithm 1 written as plainly as possible, to compare the fast one with.

Nothing is shared with vaegan_jax but the layout of the parameters: networks by
lax convolutions and normalisation by hand, three objectives, each
differentiated by its own jax.grad.
"""

import jax
import jax.numpy as jnp
from jax import lax

NAMES = ('encoder', 'decoder', 'discriminator')


def convolve(x, kernel, stride):
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    'SAME',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


def backward_convolve(x, kernel):
  """Input gradient of a stride-2 convolution, by jax.vjp of its definition."""
  batch, height, width, _ = x.shape
  large = jnp.zeros((batch, 2 * height, 2 * width, kernel.shape[2]), x.dtype)
  return jax.vjp(lambda m: convolve(m, kernel, 2), large)[1](x)[0]


def normalise(x, layer):
  """Batch normalisation over all axes but the last, and ReLU."""
  axes = tuple(range(x.ndim - 1))
  epsilon = 1e-6 if x.ndim == 4 else 1e-5
  mean = x.mean(axes)
  variance = ((x - mean) ** 2).mean(axes)
  x = (x - mean) / jnp.sqrt(variance + epsilon)
  layer = layer['batch_norm']
  return jnp.maximum(x * layer['scale'] + layer['bias'], 0)


def encode(p, x):
  for i in (1, 2, 3):
    x = convolve(x, p[f'convolution_{i}']['kernel'], 2)
    x = normalise(x, p[f'normalise_{i}'])
  x = normalise(
    x.reshape(len(x), -1) @ p['dense']['kernel'], p['normalise_dense']
  )
  return tuple(
    x @ p[head]['kernel'] + p[head]['bias'] for head in ('mean', 'log_var')
  )


def decode(p, z, shape):
  x = normalise(z @ p['dense']['kernel'], p['normalise_dense'])
  x = x.reshape(len(z), shape[0] // 8, shape[1] // 8, -1)
  for i in (1, 2, 3):
    x = backward_convolve(x, p[f'convolution_{i}']['kernel'])
    x = normalise(x, p[f'normalise_{i}'])
  return jnp.tanh(convolve(x, p['colours']['kernel'], 1) + p['colours']['bias'])


def discriminate(p, x, layer):
  """Gives Dis_l and the probability of being real."""
  x = convolve(x, p['convolutions_0']['kernel'], 1)
  x = x + p['convolutions_0']['bias']
  features = {0: x}
  x = jnp.maximum(x, 0)
  for i in (1, 2, 3):
    features[i] = x = convolve(x, p[f'convolutions_{i}']['kernel'], 2)
    x = normalise(x, p[f'normalisations_{i - 1}'])
  x = normalise(
    x.reshape(len(x), -1) @ p['dense']['kernel'], p['normalise_dense']
  )
  logit = x @ p['logit']['kernel'] + p['logit']['bias']
  return features[layer], 1 / (1 + jnp.exp(-logit[:, 0]))


def terms(params, images, noise, z_p, *, layer, objective):
  """L_prior, L_llike, what Dis descends, what L_GAN makes Dec descend."""
  batch = len(images)
  mean, log_var = encode(params['encoder'], images)
  z = mean + jnp.exp(log_var / 2) * noise
  shape = images.shape[1:]
  if objective.joint_normalisation:
    generated = decode(params['decoder'], jnp.concatenate([z, z_p]), shape)
    x_tilde, x_p = generated[:batch], generated[batch:]
    everything = jnp.concatenate([images, x_tilde, x_p])
    features, _ = discriminate(params['discriminator'], everything, layer)
    features_x, features_x_tilde = features[:batch], features[batch : 2 * batch]
    if objective.reconstructions:
      _, p = discriminate(params['discriminator'], everything, layer)
      dis_x, dis_x_tilde, dis_x_p = (
        p[:batch],
        p[batch : 2 * batch],
        p[2 * batch :],
      )
    else:
      raise NotImplementedError
  else:
    x_tilde = decode(params['decoder'], z, shape)
    x_p = decode(params['decoder'], z_p, shape)
    features_x, dis_x = discriminate(params['discriminator'], images, layer)
    features_x_tilde, dis_x_tilde = discriminate(
      params['discriminator'], x_tilde, layer
    )
    _, dis_x_p = discriminate(params['discriminator'], x_p, layer)
  e = objective.epsilon
  prior = 0.5 * (mean**2 + jnp.exp(log_var) - 1 - log_var).sum()
  llike = 0.5 * ((features_x - features_x_tilde) ** 2).sum()
  discrimination = -objective.real_weight * jnp.log(dis_x + e).sum()
  discrimination -= jnp.log(1 - dis_x_p + e).sum()
  fooled = -jnp.log(dis_x_p + e).sum()
  if objective.reconstructions:
    discrimination -= jnp.log(1 - dis_x_tilde + e).sum()
    fooled -= jnp.log(dis_x_tilde + e).sum()
  return {
    'prior': prior,
    'llike': llike,
    'discrimination': discrimination,
    'generation': fooled if objective.non_saturating else -discrimination,
  }


def gradients(params, images, noise, z_p, *, layer, objective):
  """Algorithm 1: three objectives, three gradients."""

  def objectives(**changed):
    t = terms(
      params | changed, images, noise, z_p, layer=layer, objective=objective
    )
    return {
      'encoder': t['prior'] + t['llike'],
      'decoder': objective.gamma * t['llike'] + t['generation'],
      'discriminator': t['discrimination'],
    }

  return {
    name: jax.grad(lambda p, n=name: objectives(**{n: p})[n])(params[name])
    for name in NAMES
  }
