"""HFGI3D (Xie et al., arXiv 2211.15662): pseudo views around the head, warped where the photo sees and filled where it does not."""

from ..method import Method, Pivot, Tuning, register_method
from ..terms.photo import Photo, TunedPhoto
from ..terms.prior import LatentPrior
from ..terms.pseudo_views import Neighbours, PseudoViews

HFGI3D = register_method(Method(
    "hfgi3d",
    pivot=Pivot(terms=(Photo(), LatentPrior(0.012))),
    tuning=Tuning(terms=(TunedPhoto(pixel=1.0, opacity=1.0, edge=0, stop_at_lpips=0.05),
                         PseudoViews((Neighbours(1.0, fill_hidden=True),), yaw=60.0)))))
