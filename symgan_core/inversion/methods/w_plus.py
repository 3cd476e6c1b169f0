"""W+: stage 1 without a mirror, one code a layer."""

from ..method import Method, Pivot, register_method
from ..terms.photo import Photo
from ..terms.prior import LatentPrior

W_PLUS = register_method(Method("w_plus", pivot=Pivot(terms=(Photo(), LatentPrior(0.012)))))
