"""Sources of images, their cache, and the batches drawn from them."""
