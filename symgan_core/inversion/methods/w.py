"""W: stage 1 without a mirror, one code for all layers."""

from ..method import Method, Pivot, register_method
from ..terms.photo import Photo
from ..terms.prior import LatentPrior

W = register_method(Method("w", pivot=Pivot(space="w", terms=(Photo(), LatentPrior(0.012)))))
