"""VAE/GAN in JAX: autoencoding beyond pixels with a learned similarity."""
