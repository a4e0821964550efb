"""VAE/GAN in JAX: autoencoding beyond pixels with a learned similarity.

    model = vaegan_jax.load('runs/demo')
    codes = model.encode(images)  # uint8 [N, H, W, C] -> float32 [N, Z]

Source: Larsen, Sønderby, Larochelle, Winther (ICML 2016).
"""

from vaegan_jax.inference import Model, load

__all__ = ['Model', 'load']
