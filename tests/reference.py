"""Algorithm 1 written as plainly as possible, a reference for the tests.

It shares only the layout of the parameters with vaegan_jax. It uses the
convolutions of lax, and differentiates each of three objectives by its own
jax.grad.
"""

import jax
import jax.numpy as jnp
from jax import lax


def convolve(x, kernel, stride):
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride, stride),
    'SAME',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


def backward_convolve(x, kernel):
  """Computes the input gradient of a stride-2 convolution by jax.vjp."""
  batch, height, width, _ = x.shape
  large = jnp.zeros((batch, 2 * height, 2 * width, kernel.shape[2]), x.dtype)
  return jax.vjp(lambda m: convolve(m, kernel, 2), large)[1](x)[0]


def normalise(x, layer):
  """Applies batch normalisation over all axes but the last, and ReLU."""
  axes = tuple(range(x.ndim - 1))
  epsilon = 1e-6 if x.ndim == 4 else 1e-5
  mean = x.mean(axes)
  variance = ((x - mean) ** 2).mean(axes)
  x = (x - mean) / jnp.sqrt(variance + epsilon)
  layer = layer['batch_norm']
  return jnp.maximum(x * layer['scale'] + layer['bias'], 0)


def join(x, attributes):
  x = x.reshape(len(x), -1)
  return x if attributes is None else jnp.concatenate([x, attributes], 1)


def encode(p, x, attributes=None):
  for i in (1, 2, 3):
    x = convolve(x, p[f'convolution_{i}']['kernel'], 2)
    x = normalise(x, p[f'normalise_{i}'])
  x = join(x, attributes) @ p['dense']['kernel']
  x = normalise(x, p['normalise_dense'])
  return tuple(
    x @ p[head]['kernel'] + p[head]['bias'] for head in ('mean', 'log_var')
  )


def decode(p, z, shape, attributes=None):
  x = normalise(
    join(z, attributes) @ p['dense']['kernel'], p['normalise_dense']
  )
  x = x.reshape(len(z), shape[0] // 8, shape[1] // 8, -1)
  for i in (1, 2, 3):
    x = backward_convolve(x, p[f'convolution_{i}']['kernel'])
    x = normalise(x, p[f'normalise_{i}'])
  return jnp.tanh(convolve(x, p['colours']['kernel'], 1) + p['colours']['bias'])


def discriminate(p, x, layer, attributes=None):
  """Computes Dis_l and the logit of being real."""
  x = convolve(x, p['convolutions_0']['kernel'], 1)
  x = x + p['convolutions_0']['bias']
  features = {0: x}
  x = jnp.maximum(x, 0)
  for i in (1, 2, 3):
    features[i] = x = convolve(x, p[f'convolutions_{i}']['kernel'], 2)
    x = normalise(x, p[f'normalisations_{i - 1}'])
  x = join(x, attributes) @ p['dense']['kernel']
  x = normalise(x, p['normalise_dense'])
  logit = x @ p['logit']['kernel'] + p['logit']['bias']
  return features[layer], logit[:, 0]


def frozen_features(p, statistics, x, layer):
  """Computes Dis_l with the running statistics of a frozen Dis."""
  x = convolve(x, p['convolutions_0']['kernel'], 1)
  x = x + p['convolutions_0']['bias']
  for i in range(1, layer + 1):
    if i > 1:
      running = statistics[f'normalisations_{i - 2}']['batch_norm']
      layer_p = p[f'normalisations_{i - 2}']['batch_norm']
      x = (x - running['mean']) / jnp.sqrt(running['var'] + 1e-6)
      x = x * layer_p['scale'] + layer_p['bias']
    x = convolve(jnp.maximum(x, 0), p[f'convolutions_{i}']['kernel'], 2)
  return x


def terms(
  params,
  images,
  noise,
  z_p,
  *,
  layer,
  objective,
  given=None,
  a=None,
  shifts=None,
):
  """Computes the losses of a model, summed over the batch.

  `a` are the attributes, `given` the running statistics of a frozen Dis, and
  `shifts` is added to the images that Dec makes.
  """
  model, e = objective.model, objective.epsilon
  batch, shape = len(images), images.shape[1:]
  streams, out = {}, {}
  if model.llike:
    mean, log_var = encode(params['encoder'], images, a)
    streams['x_tilde'] = mean + jnp.exp(log_var / 2) * noise
    out['prior'] = 0.5 * (mean**2 + jnp.exp(log_var) - 1 - log_var).sum()
  if model.adversarial:
    streams['x_p'] = z_p

  def apply(function, inputs):
    """Applies a network to streams, as one batch or one by one."""
    if not objective.joint_normalisation:
      return {s: function(x, a) for s, x in inputs.items()}
    repeated = None if a is None else jnp.concatenate([a] * len(inputs))
    joined = function(jnp.concatenate(list(inputs.values())), repeated)
    parts = [
      jax.tree.map(lambda y, i=i: y[i * batch : (i + 1) * batch], joined)
      for i in range(len(inputs))
    ]
    return dict(zip(inputs, parts, strict=True))

  made = apply(lambda z, b: decode(params['decoder'], z, shape, b), streams)
  if shifts is not None:
    made = {s: x + shifts[s] for s, x in made.items()}
  compared = {'x': images, **made}
  if model.llike == 'dis_l' and not model.adversarial:
    dis = params['discriminator']
    compared = {
      s: frozen_features(dis, given, x, layer) for s, x in compared.items()
    }
  if model.adversarial:
    dis = params['discriminator']
    judged = apply(lambda x, b: discriminate(dis, x, layer, b), compared)
    compared = {s: features for s, (features, _) in judged.items()}
    logits = {s: logit for s, (_, logit) in judged.items()}
    real = {s: 1 / (1 + jnp.exp(-x)) for s, x in logits.items()}
    made_up = {s: 1 / (1 + jnp.exp(x)) for s, x in logits.items()}
    generated = list(streams) if objective.reconstructions_judged else ['x_p']
    out['gan'] = -objective.real_weight * jnp.log(real['x'] + e).sum()
    out['gan'] -= sum(jnp.log(made_up[s] + e).sum() for s in generated)
    out['real'] = -jnp.log(real['x'] + e).sum()
    out['generated'] = jnp.stack(
      [-jnp.log(made_up[s] + e).sum() for s in generated]
    ).mean()
    out['generation'] = (
      -sum(jnp.log(real[s] + e).sum() for s in generated)
      if objective.non_saturating
      else -out['gan']
    )
  if model.llike:
    difference = compared['x'] - compared['x_tilde']
    if objective.unit_features and model.llike == 'dis_l':
      power = (lax.stop_gradient(compared['x']) ** 2).mean((0, 1, 2))
      difference /= jnp.sqrt(power + 1e-8)
    out['llike'] = 0.5 * (difference**2).sum()
    if model.llike == 'dis_l':
      error = images - made['x_tilde']
      out['llike'] += objective.pixel_weight * 0.5 * (error**2).sum()
  return out


def relative(params, images, *noise, **keywords):
  """Computes how much larger L_GAN's gradient is at the images of Dec."""
  zeros = {s: jnp.zeros_like(images) for s in ('x_tilde', 'x_p')}

  def norm(term):
    slopes = jax.grad(
      lambda x: terms(params, images, *noise, shifts=x, **keywords)[term]
    )(zeros)
    return jnp.sqrt(sum((x**2).sum() for x in slopes.values()))

  return norm('generation') / norm('llike')


def gradients(params, images, noise, z_p, *, objective, **keywords):
  """Computes the gradient of each objective separately."""
  gamma = objective.gamma if objective.model.adversarial else 1
  if objective.relative_gamma:
    gamma *= relative(
      params, images, noise, z_p, objective=objective, **keywords
    )

  def objectives(**changed):
    t = terms(
      params | changed, images, noise, z_p, objective=objective, **keywords
    )
    llike, generation, gan = (
      t.get(n, 0) for n in ('llike', 'generation', 'gan')
    )
    return {
      'encoder': objective.prior_weight * t.get('prior', 0)
      + llike
      + objective.gan_reaches_encoder * generation,
      'decoder': gamma * llike + generation,
      'discriminator': gan + objective.llike_reaches_discriminator * llike,
    }

  return {
    name: jax.grad(lambda p, n=name: objectives(**{n: p})[n])(params[name])
    for name in objective.model.learned
  }
