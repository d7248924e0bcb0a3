"""The regions that SelfAlign's fixtures hold."""

import torch

from model.regions.region_features import RegionFeatures


def regions_of(inputs) -> RegionFeatures:
    """Boxes in pixels become shares; VSRN has none."""
    features = torch.from_numpy(inputs["regions"] if "regions" in inputs else inputs["regions_float16"]).float()
    n, r, _ = features.shape
    sizes = torch.from_numpy(inputs["image_sizes"]) if "image_sizes" in inputs else torch.ones(n, 2)
    boxes = torch.from_numpy(inputs["boxes"]) if "boxes" in inputs else torch.zeros(n, r, 4)
    return RegionFeatures(features, boxes / sizes.repeat(1, 2)[:, None], torch.full((n,), r), sizes)
