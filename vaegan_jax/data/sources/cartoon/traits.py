"""The attributes of a face: probabilities, exclusions and visibility."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key

Flags = Bool[Array, 'attributes']


# The probability of each attribute: if independent; if correlated, of a young
# woman, an older woman, a young man and an older man. For facial hair except
# Sideburns, the probability given a beard.
CHANCES = {
  '5_o_Clock_Shadow': (0.40, 0.00, 0.00, 0.50, 0.30),
  'Arched_Eyebrows': (0.40, 0.50, 0.40, 0.08, 0.08),
  'Bags_Under_Eyes': (0.35, 0.10, 0.35, 0.20, 0.55),
  'Bald': (0.12, 0.00, 0.01, 0.05, 0.28),
  'Bangs': (0.35, 0.28, 0.20, 0.15, 0.06),
  'Big_Lips': (0.40, 0.35, 0.22, 0.15, 0.12),
  'Big_Nose': (0.40, 0.10, 0.20, 0.32, 0.55),
  'Black_Hair': (0.21, 0.24, 0.10, 0.36, 0.14),
  'Blond_Hair': (0.21, 0.27, 0.24, 0.08, 0.05),
  'Brown_Hair': (0.21, 0.30, 0.20, 0.32, 0.18),
  'Bushy_Eyebrows': (0.40, 0.06, 0.06, 0.28, 0.28),
  'Chubby': (0.30, 0.05, 0.18, 0.10, 0.30),
  'Double_Chin': (0.30, 0.04, 0.16, 0.07, 0.28),
  'Eyeglasses': (0.30, 0.06, 0.18, 0.14, 0.32),
  'Goatee': (0.35, 0.00, 0.00, 0.28, 0.28),
  'Gray_Hair': (0.18, 0.00, 0.32, 0.01, 0.50),
  'Heavy_Makeup': (0.40, 0.65, 0.45, 0.01, 0.01),
  'High_Cheekbones': (0.40, 0.55, 0.45, 0.30, 0.28),
  'Male': (0.50, 0.00, 0.00, 1.00, 1.00),
  'Mouth_Slightly_Open': (0.50, 0.52, 0.46, 0.44, 0.40),
  'Mustache': (0.35, 0.00, 0.00, 0.26, 0.34),
  'Narrow_Eyes': (0.35, 0.12, 0.16, 0.15, 0.22),
  'No_Beard': (0.45, 1.00, 1.00, 0.50, 0.45),
  'Oval_Face': (0.40, 0.36, 0.24, 0.24, 0.16),
  'Pale_Skin': (0.25, 0.12, 0.10, 0.07, 0.08),
  'Pointy_Nose': (0.40, 0.34, 0.26, 0.20, 0.20),
  'Receding_Hairline': (0.30, 0.03, 0.06, 0.10, 0.35),
  'Rosy_Cheeks': (0.30, 0.22, 0.16, 0.03, 0.04),
  'Sideburns': (0.30, 0.00, 0.00, 0.22, 0.22),
  'Smiling': (0.50, 0.56, 0.50, 0.44, 0.40),
  'Straight_Hair': (0.38, 0.34, 0.34, 0.38, 0.36),
  'Wavy_Hair': (0.38, 0.46, 0.40, 0.26, 0.20),
  'Wearing_Earrings': (0.35, 0.30, 0.40, 0.04, 0.03),
  'Wearing_Hat': (0.20, 0.06, 0.06, 0.14, 0.14),
  'Wearing_Lipstick': (0.40, 0.76, 0.62, 0.01, 0.01),
  'Wearing_Necklace': (0.35, 0.20, 0.26, 0.03, 0.03),
  'Wearing_Necktie': (0.30, 0.01, 0.02, 0.16, 0.34),
  'Young': (0.50, 1.00, 0.00, 1.00, 0.00),
}
"""CelebA's attributes except Attractive and Blurry, in CelebA's order."""

ATTRIBUTES = tuple(CHANCES)
MALE, YOUNG = 0.42, 0.72
HAIR = ('Black_Hair', 'Blond_Hair', 'Brown_Hair', 'Gray_Hair')
BEARDS = ('5_o_Clock_Shadow', 'Goatee', 'Mustache')
EXCLUSIVE: tuple[tuple[str, ...], ...] = (HAIR, ('Straight_Hair', 'Wavy_Hair'))

# Attributes that are correlated beyond the effect of sex and age.
CORRELATED: tuple[tuple[str, ...], ...] = (
  ('Smiling', 'High_Cheekbones', 'Mouth_Slightly_Open', 'Rosy_Cheeks'),
  ('Heavy_Makeup', 'Wearing_Lipstick', 'Arched_Eyebrows', 'Wearing_Earrings'),
  ('Chubby', 'Double_Chin', 'Big_Nose'),
)


def index(name: str) -> int:
  """Returns an attribute's column.

  Raises:
    ValueError: there is no such attribute.
  """
  if name not in CHANCES:
    raise ValueError(
      f'no attribute {name!r} of a cartoon face: expected one of '
      f'{", ".join(ATTRIBUTES)}'
    )
  return ATTRIBUTES.index(name)


def _columns(names: tuple[str, ...]) -> np.ndarray:
  return np.array([index(name) for name in names])


def _exclusions() -> np.ndarray:
  """Tabulates which attribute (row) excludes which others (columns)."""
  table = np.zeros((len(ATTRIBUTES), len(ATTRIBUTES)), bool)
  pairs = [(a, b) for group in EXCLUSIVE for a in group for b in group]
  pairs += [(beard, 'No_Beard') for beard in BEARDS]
  for a, b in pairs:
    if a != b:
      table[index(a), index(b)] = table[index(b), index(a)] = True
  return table


def _uniform(
  key: Key[Array, ''], *, correlated: Bool[Array, '']
) -> Float[Array, ' attributes']:
  """Draws a uniform number per attribute; related attributes share theirs."""
  own_key, shared_key = jax.random.split(key)
  drawn = jax.random.uniform(own_key, (len(ATTRIBUTES),))
  shares = jax.random.uniform(shared_key, (len(ATTRIBUTES),)) < 0.6
  shares = shares & correlated
  for group in CORRELATED:
    columns = _columns(group)
    shared = jnp.where(shares[columns], drawn[columns[0]], drawn[columns])
    drawn = drawn.at[columns].set(shared)
  for group in EXCLUSIVE:
    columns = _columns(group)
    drawn = drawn.at[columns].set(drawn[columns[0]])
  return drawn


def _intervals() -> tuple[np.ndarray, np.ndarray]:
  """Tabulates the interval of the uniform number that grants an attribute.

  Attributes that exclude each other share their number, so their intervals are
  adjacent. Both bounds are [attributes, columns of `CHANCES`].
  """
  chances = np.array([*CHANCES.values()], np.float32)
  low = np.zeros_like(chances)
  for group in EXCLUSIVE:
    columns = _columns(group)
    low[columns[1:]] = np.cumsum(chances[columns], axis=0)[:-1]
  return low, low + chances


def draw(key: Key[Array, ''], *, correlated: Bool[Array, '']) -> Flags:
  """Draws the attributes of a face.

  Args:
    key: the random key.
    correlated: whether attributes depend on sex, age and each other as in
      CelebA, or are independent. Exclusions hold either way: at most one hair
      colour (none: ginger); straight hair, wavy hair or neither (cropped, or a
      bun); and No_Beard excludes shadow, goatee and moustache.
  """
  sex_key, traits_key = jax.random.split(key)
  drawn = _uniform(traits_key, correlated=correlated)
  low, high = map(jnp.asarray, _intervals())
  male, young = jax.random.uniform(sex_key, (2,)) < jnp.array([MALE, YOUNG])
  kind = jnp.where(correlated, 1 + 2 * male + ~young, 0)
  flags = (low[:, kind] <= drawn) & (drawn < high[:, kind])
  columns = _columns(BEARDS)
  bearded = ~flags[index('No_Beard')]
  return flags.at[columns].set(flags[columns] & bearded)


def flip(flags: Flags, which: Integer[Array, '']) -> Flags:
  """Negates one attribute and adapts those it excludes; -1 changes nothing.

  Setting an attribute clears those it excludes. Clearing the last of shadow,
  goatee and moustache sets No_Beard. Clearing No_Beard grows a full beard,
  which is a beard without any of the three.
  """
  chosen = jnp.arange(len(ATTRIBUTES)) == which
  turned = flags ^ chosen
  excluded = jnp.any((turned & chosen)[:, None] & _exclusions(), axis=0)
  turned = turned & ~excluded
  beards = _columns(BEARDS)
  shaved = jnp.any(flags[beards]) & ~jnp.any(turned[beards])
  no_beard = index('No_Beard')
  return turned.at[no_beard].set(turned[no_beard] | shaved)


def full_beard(flags: Flags) -> Bool[Array, '']:
  """Returns whether there is a beard without shadow, goatee or moustache."""
  return ~(flags[index('No_Beard')] | jnp.any(flags[_columns(BEARDS)]))


def visible(flags: Flags, *, shades: Bool[Array, '']) -> Flags:
  """Returns which attributes the picture of a face shows.

  A hidden attribute is painted as if absent, so flipping it changes no pixel.

  Args:
    flags: the attributes.
    shades: whether the glasses, if worn, are dark.
  """
  has = {name: flags[i] for i, name in enumerate(ATTRIBUTES)}
  hat, bald, male = has['Wearing_Hat'], has['Bald'], has['Male']
  loose = (has['Straight_Hair'] | has['Wavy_Hair']) & ~male
  tucked = hat & ~loose
  whiskers = full_beard(flags) | has['Goatee'] | has['Mustache']
  dark = has['Eyeglasses'] & shades
  hidden = {
    'Bald': tucked,
    'Bangs': bald | hat,
    'Receding_Hairline': bald | hat | has['Bangs'],
    'Straight_Hair': bald | (hat & male),
    'Wavy_Hair': bald | (hat & male),
    'Sideburns': loose & ~bald,
    'Bags_Under_Eyes': dark,
    'Narrow_Eyes': dark,
    'Heavy_Makeup': dark,
    'Double_Chin': full_beard(flags),
  }
  sideburns = has['Sideburns'] & ~hidden['Sideburns']
  for name in HAIR:
    hidden[name] = (bald | tucked) & ~whiskers & ~sideburns
  shown = jnp.ones(len(ATTRIBUTES), bool)
  columns = _columns(tuple(hidden))
  return shown.at[columns].set(~jnp.stack(list(hidden.values())))
