"""What the paper publishes: its table and its claims, as data.

Numbers and sections marked (recalled) are from memory and were not checked
against the paper; every report that shows them says so.
"""

from __future__ import annotations

from typing import NamedTuple

from vaegan_jax.evaluation import claims


class Similarity(NamedTuple):
  """A row of the paper's table of attribute similarity on LFW.

  Attributes:
    cosine: the best of 10 samples for each attribute vector.
    squared_error: the mean over the test set.
    deviation: of the squared error over 25 runs; None for the test set.
  """

  cosine: float
  squared_error: float
  deviation: float | None


# LFW, 73 scores (recalled; the digits are about 85 % sure).
SIMILARITY = {
  'test': Similarity(0.9193, 14.1987, None),
  'vae': Similarity(0.9030, 27.59, 1.42),
  'gan': Similarity(0.8892, 27.89, 3.07),
  'vaegan': Similarity(0.9114, 22.39, 1.16),
}

# Prefix of the names of conditional models.
CONDITIONAL = 'conditional_'


def _sharper(model: str, title: str) -> claims.Claim:
  return claims.Claim(
    f'Samples of the {title} are sharper than those of the VAE.',
    'section 4.1, figure 3 (recalled)',
    greater=claims.Quantity(model, 'samples/sharpness'),
    lesser=claims.Quantity('vae', 'samples/sharpness'),
    margin=0.05,
    detail='Energy of high frequencies relative to real images, or its inverse '
    'if above 1: 1 is as sharp as real, less is blurred or noisy.',
  )


def _more_similar(other: str, title: str) -> claims.Claim:
  return claims.Claim(
    'Images of the conditional VAE/GAN match the requested attributes better '
    f'than those of the conditional {title}.',
    'section 4.2, table 1 (recalled)',
    greater=claims.Quantity(f'{CONDITIONAL}vaegan', 'similarity/cosine'),
    lesser=claims.Quantity(f'{CONDITIONAL}{other}', 'similarity/cosine'),
    margin=0.0,
    detail='Cosine of requested and predicted attributes, best of the samples.',
  )


def _less_error(other: str, title: str) -> claims.Claim:
  return claims.Claim(
    'Attributes of images of the conditional VAE/GAN have a smaller error than '
    f'those of the conditional {title}.',
    'section 4.2, table 1 (recalled)',
    greater=claims.Quantity(
      f'{CONDITIONAL}{other}', 'similarity/squared_error'
    ),
    lesser=claims.Quantity(f'{CONDITIONAL}vaegan', 'similarity/squared_error'),
    margin=0.0,
    detail='Squared error of predicted attributes, summed over the attributes.',
  )


CLAIMS = (
  _sharper('gan', 'GAN'),
  _sharper('vaegan', 'VAE/GAN'),
  _sharper('vae_dis', 'VAE_Dis_l'),
  claims.Claim(
    'Samples of VAE_Dis_l have artefacts that those of the VAE/GAN lack.',
    'section 4.1, figure 3 (recalled)',
    greater=claims.Quantity('vae_dis', 'samples/high_frequency_excess'),
    lesser=claims.Quantity('vaegan', 'samples/high_frequency_excess'),
    margin=0.1,
    detail='Energy of high frequencies above that of real images, as a share '
    'of it. Features are blind to grids and grain: images with five times the '
    'energy can have a precision of 1.',
  ),
  claims.Claim(
    "Reconstructions of the VAE/GAN keep an image's attributes better than "
    'those of the VAE.',
    'section 4.1, figure 4 (recalled)',
    greater=claims.Quantity('vaegan', 'reconstructions/agreement'),
    lesser=claims.Quantity('vae', 'reconstructions/agreement'),
    margin=0.0,
    detail='Agreement of the predicted attributes of an image and of its '
    'reconstruction: balanced accuracy, or the correlation of scores.',
  ),
  claims.Claim(
    'The pixel error of VAE/GAN reconstructions is larger than that of VAE '
    'reconstructions.',
    'section 4.1, figure 4 (recalled)',
    greater=claims.Quantity('vaegan', 'reconstructions/pixel_error'),
    lesser=claims.Quantity('vae', 'reconstructions/pixel_error'),
    margin=0.0,
    detail='Root mean square error, levels of 0..255.',
  ),
  claims.Claim(
    'Visual attribute vectors change the intended attribute.',
    'section 4.1, figure 5 (recalled)',
    greater=claims.Quantity('vaegan', 'attribute_vectors/flipped'),
    lesser=claims.Quantity('vaegan', 'attribute_vectors/flipped_shuffled'),
    margin=0.1,
    detail='Share of images without the attribute that gain it when its vector '
    'is added, compared with vectors of shuffled labels of the same length.',
  ),
  claims.Claim(
    'Visual attribute vectors change the intended attribute rather than '
    'others.',
    'section 4.1, figure 5 (recalled)',
    greater=claims.Quantity('vaegan', 'attribute_vectors/flipped'),
    lesser=claims.Quantity('vaegan', 'attribute_vectors/leaked'),
    margin=0.1,
    detail='Share of images that gain the attribute, compared with the share '
    'of other attributes that change.',
  ),
  _more_similar('vae', 'VAE'),
  _more_similar('gan', 'GAN'),
  _less_error('vae', 'VAE'),
  _less_error('gan', 'GAN'),
)
