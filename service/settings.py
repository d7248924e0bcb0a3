"""Everything that can be set from outside, read once; `TERAN_DATA=/srv/photos` sets `data`."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from service.errors import BadSettings


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TERAN_", env_file=".env", env_ignore_empty=True, extra="ignore")

    data: Path = Field(default=Path("data"), description="where collections, jobs and uploads are kept")
    model: str = Field(default="bundled", description="name or folder of the checkpoint")
    features: Path | None = Field(default=None, description="bu_att/ and bu_box/, for a model that finds no regions")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu or cuda, for the encoder and for searches",
    )
    gpu_bytes: int | None = Field(
        default=None, ge=0, description="of a GPU's memory, for vectors; most of what is free by default"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    roots: list[Path] = Field(default=[], description="folders that POST /index may name on the server, as JSON")
    redis_url: str | None = Field(
        default=None, pattern="^(rediss?|unix)://", description="query cache and wake-up; nothing depends on it"
    )
    threads: int | None = Field(default=None, ge=1, description="threads of one computation; all cores by default")

    memory_bytes: int = Field(
        default=256 * 2**20,
        ge=0,
        description="of what searches read that are kept in memory, codes first; the rest is mapped",
    )
    worker: bool = Field(default=True, description="start and watch an indexing worker beside the service")
    max_query_batch: int = Field(default=32, ge=1)
    max_queries: int = Field(default=256, ge=1, description="answered at once; more are refused")
    max_files: int = Field(default=1000, ge=1, description="photographs in one request")
    max_file_bytes: int = Field(default=64 * 2**20, ge=1, le=64 * 2**20, description="no larger ones are decoded")
    max_body_bytes: int = Field(default=4 * 2**30, ge=1)
    cache_bytes: int = Field(default=64 * 2**20, ge=0, description="answers kept in this process")


def read_settings(**given: object) -> Settings:
    """What is given here, and for the rest the environment. Raises BadSettings."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise BadSettings(f"the settings cannot be: {told}") from error
    except SettingsError as error:
        raise BadSettings(f"the environment cannot be read: {error}: {error.__cause__}") from error
