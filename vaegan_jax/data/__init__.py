"""Sources of images, the cache of their pixels, and batches."""
