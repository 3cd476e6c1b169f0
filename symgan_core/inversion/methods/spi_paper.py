"""SPI with the steps and weights of its public code (Yin et al., arXiv 2211.16927)."""

from ..method import Method, Pivot, Tuning, register_method
from ..terms.depth import DepthPrior
from ..terms.mirrored_view import MirroredView
from ..terms.photo import Photo, TunedPhoto
from ..terms.pseudo_views import MirroredNeighbours, Neighbours, PseudoViews
from ..views.warping import MirrorWarp, PhotoWarp

SPI_PAPER = register_method(Method(
    "spi_paper", perceptual="lpips-vgg", draft=False,
    warp=PhotoWarp(tolerance=0.05, mirror=MirrorWarp(conflict_threshold=None, match_light=False)),
    pivot=Pivot(steps=500, learning_rate=0.02, coarse_share=0.0, terms=(Photo(), MirroredView(every=1, match_light=False))),
    tuning=Tuning(
        steps=1000, learning_rate=3e-4,
        terms=(TunedPhoto(pixel=1.0, opacity=1.0, edge=0, stop_at_lpips=0.05),
               PseudoViews((Neighbours(0.1), MirroredNeighbours(0.05, pixels=False, contextual=1.0)), yaw=11.5, pitch=5.7, every=4,
                           refresh_every=4),
               DepthPrior(1.0, every=4)))))
