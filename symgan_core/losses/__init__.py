"""Differences between pictures, and terms that keep an inversion plausible. They see images, not networks."""

from .contextual import contextual_loss, patch_features
from .identity import identity_available, identity_similarity
from .perceptual import PerceptualLoss, load_perceptual
from .regularize import depth_drift, latent_distance, total_variation

__all__ = [
    "PerceptualLoss", "contextual_loss", "depth_drift", "identity_available", "identity_similarity", "latent_distance",
    "load_perceptual", "patch_features", "total_variation",
]
