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
from model.regions.windows import WindowExtractor, WindowsConfig
from model.teran.config import TeranConfig
from model.teran.encoder import TeranEncoder
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer

FORMAT: Final = 1
SYSTEMS: Final = ("teran", "hat")
BUNDLED: Final = Path(__file__).parent / "bundled" / "teran-windows"
CONFIG, WEIGHTS, VOCABULARY = "config.json", "model.safetensors", "vocab.txt"


def load_encoder(name: str | None = None, *, device: str = "cpu") -> Encoder:
    """The encoder of a checkpoint folder; without a name the bundled one."""
    folder = BUNDLED if name in (None, "bundled") else Path(str(name))
    config = read_config(folder)
    match config["system"]:
        case "hat":
            return _load_hat(folder, config, device=device)
        case _:
            return _load_teran(folder, config, device=device)


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


def _save(
    folder: Path,
    config: Mapping[str, Any],
    parts: Mapping[str, nn.Module],
    tokenizer: Tokenizer,
    dtype: torch.dtype,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({"format": FORMAT, **config}, indent=1) + "\n", encoding="utf-8")
    tokenizer.write_vocabulary(folder / VOCABULARY)
    weights = {
        f"{part}.{key}": value.to(dtype).contiguous() if value.is_floating_point() else value
        for part, module in parts.items()
        for key, value in weights_once(module).items()
    }
    save_file(weights, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library lets nobody but the owner read it


def _load_teran(folder: Path, config: Mapping[str, Any], *, device: str) -> TeranEncoder:
    network = Teran(TeranConfig.from_json(config["teran"])).to(device)
    parts: dict[str, nn.Module] = {"teran": network}
    regions = None
    if config["regions"] is not None:
        regions = WindowExtractor(WindowsConfig.from_json(config["regions"])).to(device).eval()
        parts["regions"] = regions
    load_weights(folder, parts)
    return TeranEncoder(network, Tokenizer(folder), regions, name=config["name"], fingerprint=fingerprint(folder))


def _load_hat(folder: Path, config: Mapping[str, Any], *, device: str) -> HatEncoder:
    networks = [Hat(HatConfig.from_json(values)).to(device) for values in config["hat"]]
    load_weights(folder, _hat_parts(networks))
    return HatEncoder(networks, Tokenizer(folder), name=config["name"], fingerprint=fingerprint(folder))


def _hat_parts(networks: Sequence[Hat]) -> dict[str, nn.Module]:
    return {f"hat{number}": network for number, network in enumerate(networks)}


def read_config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{folder} is not a checkpoint folder: {error}") from error
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
