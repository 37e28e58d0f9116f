"""Where the public data sets are, under which terms they come and how to cite them.

No checksum is given here because their makers publish none: the one of a first download is recorded beside the data and
later downloads are compared with it. Terms are told in our words; those on the set's own page hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One archive to fetch, or what to do by hand where a form has to be signed first."""

    dataset: str
    """Name of the layout that reads it, as in `NAME:PATH`."""
    licence: str
    """The terms in one line."""
    cite: str
    """Whom to cite."""
    url: str | None = None
    """Address of a .zip or .tar.gz; None where there is no direct download."""
    sha256: str | None = None
    """Checksum of the archive where its makers publish one."""
    size: int | None = None
    """Bytes of the archive where known."""
    manual: str = ""
    """What to do where there is no direct download."""


MODELNET_TERMS = "academic research only; the authors of the CAD models keep their copyright"
MODELNET_CITE = "Z. Wu et al., 3D ShapeNets: A Deep Representation for Volumetric Shapes, CVPR 2015"
SHAPENET_TERMS = "non-commercial research and education only, under ShapeNet's terms of use; no passing on"
SHAPENET_CITE = "A. X. Chang et al., ShapeNet: An Information-Rich 3D Model Repository, 2015"
PART_CITE = (
    "L. Yi et al., A Scalable Active Framework for Region Annotation in 3D Shape Collections, SIGGRAPH Asia 2016"
)
MEDIA = "https://shapenet.cs.stanford.edu/media"


def _scanobjectnn(variant: str) -> Source:
    """All variants come in one archive after one form."""
    return Source(
        dataset=f"scanobjectnn-{variant}",
        licence="the terms of use on the set's page, to be agreed to by name",
        cite="M. A. Uy et al., Revisiting Point Cloud Classification: A New Benchmark Dataset and Classification Model "
        "on Real-World Data, ICCV 2019",
        manual="agree to the terms at https://hkust-vgd.github.io/scanobjectnn, fetch h5_files.zip, unpack it, then "
        f"use scanobjectnn-{variant}:FOLDER/h5_files",
    )


SOURCES: Mapping[str, Source] = {
    "modelnet40": Source(
        dataset="modelnet40",
        licence=MODELNET_TERMS,
        cite=MODELNET_CITE,
        url=f"{MEDIA}/modelnet40_ply_hdf5_2048.zip",
    ),
    "modelnet40-meshes": Source(
        dataset="modelnet40",
        licence=MODELNET_TERMS,
        cite=MODELNET_CITE,
        url="https://modelnet.cs.princeton.edu/ModelNet40.zip",
    ),
    "modelnet40-resampled": Source(
        dataset="modelnet40",
        licence=MODELNET_TERMS,
        cite=MODELNET_CITE,
        url=f"{MEDIA}/modelnet40_normal_resampled.zip",
    ),
    "modelnet10": Source(
        dataset="modelnet10",
        licence=MODELNET_TERMS,
        cite=MODELNET_CITE,
        url="https://3dvision.princeton.edu/projects/2014/3DShapeNets/ModelNet10.zip",
    ),
    "shapenetpart": Source(
        dataset="shapenetpart",
        licence=SHAPENET_TERMS,
        cite=PART_CITE,
        url=f"{MEDIA}/shapenet_part_seg_hdf5_data.zip",
    ),
    "shapenetpart-normals": Source(
        dataset="shapenetpart",
        licence=SHAPENET_TERMS,
        cite=PART_CITE,
        url=f"{MEDIA}/shapenetcore_partanno_segmentation_benchmark_v0_normal.zip",
    ),
    "shapenet": Source(
        dataset="shapenet",
        licence=SHAPENET_TERMS,
        cite=SHAPENET_CITE,
        manual="make an account at https://shapenet.org, agree to the terms, fetch ShapeNetCore, unpack its synsets "
        "into one folder, then use shapenet:FOLDER",
    ),
    "scanobjectnn-obj_bg": _scanobjectnn("obj_bg"),
    "scanobjectnn-obj_only": _scanobjectnn("obj_only"),
    "scanobjectnn-pb_t50_rs": _scanobjectnn("pb_t50_rs"),
    "s3dis": Source(
        dataset="s3dis",
        licence="the terms of the form on the set's page; no passing on",
        cite="I. Armeni et al., 3D Semantic Parsing of Large-Scale Indoor Spaces, CVPR 2016",
        manual="fill in the form at http://buildingparser.stanford.edu/dataset.html, fetch "
        "Stanford3dDataset_v1.2_Aligned_Version.zip, unpack it, then use s3dis:FOLDER",
    ),
}
"""What `pointssl data get NAME` knows."""
