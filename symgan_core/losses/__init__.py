"""Differences between pictures, and terms that keep an inversion plausible. They see images, not networks."""

from .contextual import contextual_loss
from .identity import identity_available, identity_similarity
from .perceptual import PERCEPTUAL, PerceptualLoss, load_perceptual, vgg_features
from .regularize import depth_drift, latent_distance, total_variation

__all__ = [
    "PERCEPTUAL", "PerceptualLoss", "contextual_loss", "depth_drift", "identity_available", "identity_similarity", "latent_distance",
    "load_perceptual", "total_variation", "vgg_features",
]
