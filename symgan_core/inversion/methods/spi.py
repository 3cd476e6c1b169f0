"""SPI (Yin et al., arXiv 2211.16927) as it is run here: with an encoder, landmarks, and the photo painted on the planes."""

from ..appearance.gate import SurfaceGate
from ..appearance.hidden_materials import HiddenMaterials
from ..appearance.offset import OptimizePlanes
from ..appearance.painting import PaintPhoto
from ..appearance.palette import Palette
from ..method import Method, Pivot, Tuning, register_method
from ..start.domain_gap import DomainGap
from ..start.encoder import EncoderStart
from ..start.haircut import KeepHaircut
from ..start.pose_fit import PoseFit
from ..target.torso import ClipTorso
from ..terms.depth import DepthPrior
from ..terms.empty_space import EmptySpace
from ..terms.face_depth import FaceDepth
from ..terms.landmarks import Landmarks
from ..terms.mirrored_view import MirroredView
from ..terms.photo import Photo, TunedPhoto
from ..terms.prior import LatentPrior
from ..terms.pseudo_views import MirroredNeighbours, Neighbours, PseudoViews
from ..terms.smoothness import OffsetSmoothness
from ..views.warping import MirrorWarp, PhotoWarp

SPI = register_method(Method(
    "spi", perceptual="gradient", detail=True,
    warp=PhotoWarp(tolerance=0.03, grazing=0.4, mirror=MirrorWarp(conflict_threshold=0.22, match_light=True)),
    pivot=Pivot(
        start=EncoderStart(),
        prepare=(PoseFit(), KeepHaircut(), DomainGap()),
        terms=(Photo(), EmptySpace(20.0), MirroredView(), Landmarks(20.0), FaceDepth(20.0), LatentPrior(0.012))),
    tuning=Tuning(
        parts=("superresolution",),
        masks=(ClipTorso(),),
        prepare=(HiddenMaterials(), Palette(), OptimizePlanes(rate=0.005, gate=SurfaceGate()), PaintPhoto()),
        terms=(TunedPhoto(pixel=3.0, opacity=8.0, edge=1), PseudoViews((Neighbours(0.4), MirroredNeighbours(0.3))), DepthPrior(60.0),
               FaceDepth(10.0), OffsetSmoothness(0.5)))))
