"""What comes in and goes out over HTTP, as JSON."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from indexer.index.search import DEFAULT_RECALL

MAX_LIMIT, MAX_BATCH = 100, 64

Orderable = StrictStr | StrictInt | StrictFloat
FieldValue = Orderable | StrictBool


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FilterCondition(Strict):
    """What a field of the metadata must be; one that holds a list is each of its values."""

    any: list[FieldValue] | None = Field(default=None, min_length=1, max_length=1000, description="one of these")
    gte: Orderable | None = Field(default=None, description="this or more; text is compared with text alone")
    lte: Orderable | None = Field(default=None, description="this or less")


class SearchRequest(Strict):
    text: str = Field(min_length=1, max_length=200_000, description="a sentence, or a few words")
    collection: str = "default"
    limit: int = Field(default=20, ge=1, le=MAX_LIMIT)
    explain: bool = Field(default=False, description="say which region answered which word")
    recall: float = Field(
        default=DEFAULT_RECALL,
        ge=0.5,
        le=1.0,
        description="share of the exact best that is promised of the answer; `exact` is the sure way to all of them",
    )
    exact: bool = Field(default=False, description="the answer of scoring everything, whatever it takes")
    filter: dict[str, FilterCondition] = Field(
        default={}, max_length=16, description="field of the metadata -> what it must be; all must hold"
    )
    shortlist: int | None = Field(
        default=None, ge=1, le=100_000, description="images that are scored exactly; as many as it takes by default"
    )


class WordAnswer(BaseModel):
    text: str
    start: int = Field(description="first character of the word in the query")
    end: int = Field(description="behind its last character")
    region: int
    contribution: float = Field(description="the word's share of the score")


class Region(BaseModel):
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 as shares of width and height")


class Explanation(BaseModel):
    words: list[WordAnswer]
    regions: dict[str, Region]


class SearchHit(BaseModel):
    id: str
    rank: int
    score: float
    name: str
    width: int
    height: int
    thumbnail: str
    metadata: dict[str, Any]
    explanation: Explanation | None = None


class Took(BaseModel):
    encode: float
    shortlist: float
    rerank: float
    total: float


class SearchResponse(BaseModel):
    results: list[SearchHit]
    total_shortlisted: int
    index_version: str = Field(description="collection and commit: the same version gives the same answer")
    model: str
    took_ms: Took
    degraded: list[str] = Field(default=[], description="what had to do without")
    request_id: str


class BatchRequest(Strict):
    queries: list[SearchRequest] = Field(min_length=1, max_length=MAX_BATCH)


class BatchResponse(BaseModel):
    """In the order of the queries, for each its answer, or the problem that kept it from one."""

    results: list["SearchResponse | Problem"]


class FolderSource(Strict):
    type: Literal["folder"]
    path: str = Field(min_length=1, description="a folder on the server, inside of a configured root")


class IndexRequest(Strict):
    collection: str = "default"
    sources: list[FolderSource] = Field(min_length=1, max_length=100)


class JobCounts(BaseModel):
    received: int
    queued: int
    running: int
    indexed: int
    duplicate: int
    failed: int
    cancelled: int


class JobItemError(BaseModel):
    item: str
    code: str
    detail: str


class JobLinks(BaseModel):
    self: str
    items: str
    cancel: str


class JobResponse(BaseModel):
    id: str
    state: Literal["queued", "running", "cancelling", "succeeded", "partial", "failed", "cancelled"]
    collection: str
    created_at: datetime
    finished_at: datetime | None
    counts: JobCounts
    rate_per_s: float
    eta_s: float | None
    errors_sample: list[JobItemError]
    links: JobLinks


class JobItem(BaseModel):
    item: int
    name: str
    state: Literal["queued", "running", "indexed", "duplicate", "failed", "cancelled"]
    id: str | None
    code: str | None
    detail: str | None


class JobItemsResponse(BaseModel):
    items: list[JobItem]
    next_after: int | None


class ImageResponse(BaseModel):
    id: str
    collection: str
    name: str
    width: int
    height: int
    size: int = Field(description="bytes of the file")
    indexed_at: datetime
    thumbnail: str
    regions: list[Region]
    metadata: dict[str, Any]


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] = []
