"""What a collection weighs, and what its searches promise."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from indexer.index.manifest import SegmentEntry, read_manifest
from indexer.index.segment import SegmentHead, read_head


@dataclass(frozen=True, slots=True)
class Inspection:
    generation: int
    segments: tuple[tuple[SegmentEntry, SegmentHead], ...]

    @property
    def live(self) -> int:
        return sum(entry.live for entry, _ in self.segments)

    def bytes_by_part(self) -> dict[str, int]:
        """Part of the index -> bytes of its files, the largest first."""
        sizes: Counter[str] = Counter()
        for _, head in self.segments:
            for file, seal in head.files.items():
                sizes[file.removesuffix(".rows").removesuffix(".offsets")] += seal.size
        return dict(sizes.most_common())

    def shortlist_sizes(self) -> dict[float, int]:
        """Expected recall -> images that a search for ten scores by bytes in the mean, about: segments of the same
        codebooks share their best, and where many are deleted it scores more. Nothing where it scores all so."""
        codings = [head.coding for _, head in self.segments if head.coding is not None]
        whole = sum(entry.live for entry, head in self.segments if head.coding is None)
        recalls = set.intersection(*(set(coding.whole.by_codes.mean_sizes) for coding in codings)) if codings else set()
        return {
            recall: min(self.live, whole + sum(coding.whole.by_codes.mean_sizes[recall] for coding in codings))
            for recall in sorted(recalls)
        }

    def told(self) -> list[str]:
        lines = [f"commit {self.generation}: {self.live} images in {len(self.segments)} segments"]
        lines += [
            f"  {part:<24} {size / max(1, self.live):10.1f} bytes an image"
            for part, size in self.bytes_by_part().items()
        ]
        lines.append(
            f"  {'all of it':<24} {sum(self.bytes_by_part().values()) / max(1, self.live):10.1f} bytes an image"
        )
        lines += [
            f"  expected recall {recall:g} of the exact ten best: about {images} of {self.live} images shortlisted"
            for recall, images in self.shortlist_sizes().items()
        ]
        return lines + [f"  segment {entry.id[:8]}: {_told(entry, head)}" for entry, head in self.segments]


def inspect_collection(collection: Path) -> Inspection:
    """Reads the heads of the segments alone."""
    manifest = read_manifest(collection)
    return Inspection(manifest.generation, tuple((entry, read_head(collection, entry)) for entry in manifest.segments))


def _told(entry: SegmentEntry, head: SegmentHead) -> str:
    images = f"{entry.live} of {entry.images} images live"
    if head.coding is None:
        return f"{images}, searched whole"
    sizes = ", ".join(f"{recall:g} by {size}" for recall, size in head.coding.whole.by_codes.mean_sizes.items())
    error = f"{head.coding.error:.4f} (trained {head.coding.trained_error:.4f}, drift {head.coding.drift:.2f})"
    return f"{images}, codebooks {head.coding.codebooks[:8]}, error {error}, expected recall {sizes} shortlisted"
