"""Convolution and batch normalisation, in exact forms for each platform."""
