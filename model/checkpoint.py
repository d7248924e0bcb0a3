"""Our own checkpoints: a folder with `config.json`, `model.safetensors` and the tokeniser's `vocab.txt`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.encoder import Encoder
from model.errors import BadCheckpoint
from model.hat.config import HatConfig
from model.hat.encoder import HatEncoder
from model.hat.network import Hat
from model.regions.files import FeatureFiles
from model.regions.region_features import RegionExtractor
from model.regions.windows import WindowExtractor, WindowsConfig
from model.selfalign.camera import Camera
from model.selfalign.camera_encoder import CameraEncoder
from model.selfalign.config import CameraConfig, VsrnConfig
from model.selfalign.vocabulary import Vocabulary, read_vocabulary
from model.selfalign.vsrn import Vsrn
from model.selfalign.vsrn_encoder import VsrnEncoder
from model.selfalign.word_pieces import WordPieces
from model.teran.config import TeranConfig
from model.teran.encoder import TeranEncoder
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer

FORMAT: Final = 1
SYSTEMS: Final = ("teran", "hat", "camera", "vsrn")
BUNDLED: Final = Path(__file__).parent / "bundled" / "teran-windows"
CONFIG, WEIGHTS, VOCABULARY = "config.json", "model.safetensors", "vocab.txt"


def load_encoder(name: str | None = None, *, device: str = "cpu", features: Path | None = None) -> Encoder:
    """The encoder of a checkpoint folder; without a name the bundled one.

    One that finds no regions by itself reads them from the folder `features`.
    """
    folder = BUNDLED if name in (None, "bundled") else Path(str(name))
    config = read_config(folder)
    try:
        match config["system"]:
            case "hat":
                return _load_hat(folder, config, device=device)
            case "camera":
                return _load_camera(folder, config, device=device, features=features)
            case "vsrn":
                return _load_vsrn(folder, config, device=device, features=features)
            case _:
                return _load_teran(folder, config, device=device, features=features)
    except KeyError as error:
        raise BadCheckpoint(f"{folder / CONFIG} says nothing of {error}") from error


def save_checkpoint(
    folder: Path, *, name: str, teran: Teran, regions: WindowExtractor | None, tokenizer: Tokenizer, dtype: torch.dtype
) -> None:
    """Write a folder that load_encoder reads; `dtype` is that of the stored weights, which are used in float32."""
    parts: dict[str, nn.Module] = {"teran": teran} | ({"regions": regions} if regions is not None else {})
    config = {
        "system": "teran",
        "name": name,
        "regions": regions.config.to_json() if regions is not None else None,
        "teran": teran.config.to_json(),
    }
    _save(folder, config, parts, tokenizer, dtype)


def save_hat(folder: Path, *, name: str, networks: Sequence[Hat], tokenizer: Tokenizer, dtype: torch.dtype) -> None:
    """The same for HAT; of several networks the mean score counts."""
    config = {"system": "hat", "name": name, "hat": [network.config.to_json() for network in networks]}
    _save(folder, config, _hat_parts(networks), tokenizer, dtype)


def save_camera(folder: Path, *, name: str, camera: Camera, pieces: WordPieces, dtype: torch.dtype) -> None:
    config = {"system": "camera", "name": name, "camera": camera.config.to_json()}
    _save(folder, config, {"camera": camera}, pieces, dtype)


def save_vsrn(folder: Path, *, name: str, vsrn: Vsrn, words: Vocabulary, dtype: torch.dtype) -> None:
    config = {"system": "vsrn", "name": name, "vsrn": vsrn.config.to_json()}
    _save(folder, config, {"vsrn": vsrn}, words, dtype)


def _save(
    folder: Path,
    config: Mapping[str, Any],
    parts: Mapping[str, nn.Module],
    tokenizer: Tokenizer | WordPieces | Vocabulary,
    dtype: torch.dtype,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Written beside and then put in place together: a checkpoint that is there already may be in use.
    drafts = {name: folder / f"{name}.draft" for name in (CONFIG, VOCABULARY, WEIGHTS)}
    drafts[CONFIG].write_text(json.dumps({"format": FORMAT, **config}, indent=1) + "\n", encoding="utf-8")
    tokenizer.write_vocabulary(drafts[VOCABULARY])
    weights = {
        f"{part}.{key}": value.to(dtype).contiguous() if value.is_floating_point() else value
        for part, module in parts.items()
        for key, value in weights_once(module).items()
    }
    save_file(weights, drafts[WEIGHTS])
    drafts[WEIGHTS].chmod(0o644)  # the library lets nobody but the owner read it
    for name, draft in drafts.items():
        draft.replace(folder / name)


def _load_teran(folder: Path, config: Mapping[str, Any], *, device: str, features: Path | None) -> TeranEncoder:
    network = Teran(TeranConfig.from_json(config["teran"])).to(device)
    parts: dict[str, nn.Module] = {"teran": network}
    regions: RegionExtractor | None = _feature_files(features, network.config.feature_width)
    if config["regions"] is not None:
        if features is not None:
            raise BadCheckpoint(f"{config['name']} finds regions by itself: it takes no features of others")
        regions = parts["regions"] = WindowExtractor(WindowsConfig.from_json(config["regions"])).to(device).eval()
    load_weights(folder, parts)
    return TeranEncoder(network, Tokenizer(folder), regions, name=config["name"], fingerprint=fingerprint(folder))


def _load_hat(folder: Path, config: Mapping[str, Any], *, device: str) -> HatEncoder:
    networks = [Hat(HatConfig.from_json(values)).to(device) for values in config["hat"]]
    load_weights(folder, _hat_parts(networks))
    return HatEncoder(networks, Tokenizer(folder), name=config["name"], fingerprint=fingerprint(folder))


def _hat_parts(networks: Sequence[Hat]) -> dict[str, nn.Module]:
    return {f"hat{number}": network for number, network in enumerate(networks)}


def _load_camera(folder: Path, config: Mapping[str, Any], *, device: str, features: Path | None) -> CameraEncoder:
    network = Camera(CameraConfig.from_json(config["camera"])).to(device)
    load_weights(folder, {"camera": network})
    pieces = WordPieces(folder)
    if len(pieces) > network.config.bert.vocabulary:
        raise BadCheckpoint(f"{folder} has {len(pieces)} words; its network knows {network.config.bert.vocabulary}")
    regions = _feature_files(features, network.config.feature_width)
    return CameraEncoder(network, pieces, regions, name=config["name"], fingerprint=fingerprint(folder))


def _load_vsrn(folder: Path, config: Mapping[str, Any], *, device: str, features: Path | None) -> VsrnEncoder:
    network = Vsrn(VsrnConfig.from_json(config["vsrn"])).to(device)
    load_weights(folder, {"vsrn": network})
    words = read_vocabulary(folder / VOCABULARY)
    if len(words) != network.config.vocabulary:
        raise BadCheckpoint(f"{folder} has {len(words)} words; its network knows {network.config.vocabulary}")
    regions = _feature_files(features, network.config.feature_width)
    return VsrnEncoder(network, words, regions, name=config["name"], fingerprint=fingerprint(folder))


def _feature_files(features: Path | None, width: int) -> FeatureFiles | None:
    return FeatureFiles(features, width) if features is not None else None


def read_config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{folder} is not a checkpoint folder: {error}") from error
    if not isinstance(config, dict):
        raise BadCheckpoint(f"{folder / CONFIG} is not an object")
    if config.get("format") != FORMAT or config.get("system") not in SYSTEMS:
        raise BadCheckpoint(
            f"{folder} is a checkpoint of system {config.get('system')!r}, format {config.get('format')!r};"
            f" this version reads {', '.join(SYSTEMS)} of format {FORMAT}"
        )
    return config


def load_weights(folder: Path, parts: Mapping[str, nn.Module]) -> None:
    """Fill the modules from the folder's weights; every name must be known, present and of the right shape."""
    try:
        stored = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BadCheckpoint(f"the weights of {folder} cannot be read: {error}") from error
    expected = {f"{part}.{key}": value for part, module in parts.items() for key, value in weights_once(module).items()}
    copy_strictly(stored, expected)


def copy_strictly(weights: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    """Copy weights by name; raise BadCheckpoint unless names and shapes are the same on both sides."""
    faults = {
        "missing": sorted(set(into) - set(weights)),
        "unknown": sorted(set(weights) - set(into)),
        "of another shape": sorted(key for key in set(into) & set(weights) if into[key].shape != weights[key].shape),
    }
    told = [f"{len(keys)} {what} ({', '.join(keys[:3])})" for what, keys in faults.items() if keys]
    if told:
        raise BadCheckpoint(f"the weights do not fit the network: {'; '.join(told)}")
    broken = sorted(key for key, value in weights.items() if not bool(torch.isfinite(value).all()))
    if broken:
        raise BadCheckpoint(f"the weights hold numbers that are not finite, in {', '.join(broken[:3])}")
    with torch.no_grad():
        for key, value in into.items():
            value.copy_(weights[key])


def weights_once(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a module by name; one that has several names comes under the first."""
    once: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in module.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            once[key] = value.detach()
    return once


def fingerprint(folder: Path) -> str:
    """SHA-256 over the three files; a change of any of them changes what vectors mean."""
    digest = hashlib.sha256()
    for file in (CONFIG, WEIGHTS, VOCABULARY):
        digest.update((folder / file).read_bytes())
    return digest.hexdigest()
