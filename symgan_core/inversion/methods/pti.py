"""PTI (Roich et al., arXiv 2106.05744): a pivot in W, then all weights learn the photo's view."""

from ..method import Method, Pivot, Tuning, register_method
from ..terms.photo import Photo, TunedPhoto
from ..terms.prior import LatentPrior

PTI = register_method(Method(
    "pti",
    pivot=Pivot(space="w", terms=(Photo(), LatentPrior(0.012))),
    tuning=Tuning(terms=(TunedPhoto(pixel=1.0, opacity=1.0, edge=0, stop_at_lpips=0.05),))))
