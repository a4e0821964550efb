"""VAE/GAN in JAX: autoencoding beyond pixels with a learned similarity.

    model = vaegan_jax.load('runs/demo')
    codes = model.encode(images)  # uint8 [N, H, W, C] -> float32 [N, Z]

Source: Larsen, Sønderby, Larochelle, Winther (ICML 2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from vaegan_jax.inference import Model
  from vaegan_jax.loading import load, pretrained

__all__ = ['Model', 'load', 'pretrained']
__version__ = '0.1.0'


def __getattr__(name: str) -> Any:
  # Importing the package, or any module of it, does not import JAX.
  if name in __all__:
    from vaegan_jax import inference, loading

    return getattr(inference if name == 'Model' else loading, name)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
  return [*globals(), *__all__]
