"""The application: its parts, put together, and its routes."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from indexer.index.engine_choice import choose_engine
from indexer.index.manifest import EncoderIdentity
from indexer.index.warm_up import warm_up
from indexer.ledger.ledger import LEDGER_FILE, Ledger
from indexer.ledger.spool import UPLOADS, Spool
from indexer.ledger.wake_up import WakeUp
from model.embeddings import SentenceEmbedding
from model.encoder import Encoder
from service import problems
from service.body_limit import BodyLimit
from service.cache import Cache, LocalCache, RedisCache, TwoLevelCache
from service.health import Health
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.parts import Parts
from service.query_batcher import QueryBatcher
from service.request_ids import RequestObserver
from service.routes import health, images, index, jobs, search
from service.searcher import Searcher
from service.settings import Settings
from service.worker_watch import WorkerWatch

logger = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parent / "page"
PAGE_POLICY: Final = (
    b"default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
DRAWN_API: Final = "/docs"
DRAWN_API_POLICY: Final = PAGE_POLICY + b"; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
WRITES_AT_ONCE: Final = 8
PATIENCE_S: Final = 10.0  # with a sentence of our own
ASK_AGAIN: Final = b"no-cache"  # a browser keeps the page, and asks each time whether it still holds


def create_app(settings: Settings, encoder: Encoder, *, worker: Sequence[str] | None = None) -> FastAPI:
    """The service over `settings.data`; `worker` is the command of an indexing worker that it starts and watches."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.parts = await _assemble(settings, encoder, metrics=metrics, worker=worker, stack=stack)
            yield

    app = FastAPIOffline(
        docs_url=DRAWN_API,
        redoc_url=None,
        title="teran",
        summary="Finds photographs by a sentence and shows which region answered which word",
        lifespan=lifespan,
        responses=problems.DOCUMENTED,
    )
    app.add_middleware(BodyLimit, longest_form=settings.max_body_bytes)
    app.add_middleware(PagePolicy)
    app.add_middleware(RequestObserver, metrics=metrics)  # the last is the outermost
    problems.install(app)
    for router in (search.router, index.router, jobs.router, images.router):
        app.include_router(router, prefix="/v1")
    short = APIRouter(include_in_schema=False)
    for router in (search.router, index.router, jobs.aliases, images.router):
        short.include_router(router)
    app.include_router(short)
    app.include_router(health.router)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_api_route("/", lambda: FileResponse(PAGE / "index.html"), include_in_schema=False)
    return app


async def _assemble(
    settings: Settings, encoder: Encoder, *, metrics: Metrics, worker: Sequence[str] | None, stack: AsyncExitStack
) -> Parts:
    settings.data.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(warm_up)  # no query waits for a compiler
    engine, chosen = await asyncio.to_thread(choose_engine, settings.device, room=settings.gpu_bytes)
    logger.info(chosen)
    cache = _cache(settings)
    stack.push_async_callback(cache.close)
    ledger = Ledger(settings.data / LEDGER_FILE)
    stack.callback(ledger.close)
    wake_up = WakeUp(settings.redis_url) if settings.redis_url else None
    if wake_up is not None:
        stack.callback(wake_up.close)
    live = LiveIndex(settings.data, fingerprint=encoder.fingerprint, memory_bytes=settings.memory_bytes)
    batcher = await stack.enter_async_context(
        QueryBatcher(encoder.encode_sentences, max_batch=settings.max_query_batch)
    )
    watch = stack.enter_context(WorkerWatch(worker)) if worker is not None else None
    return Parts(
        settings=settings,
        encoder=EncoderIdentity.of(encoder),
        searcher=Searcher(
            batcher,
            live,
            engine,
            cache=cache,
            metrics=metrics,
            model=_told_as(encoder),
            at_once=os.cpu_count() or 1,
            max_queries=settings.max_queries,
        ),
        index=live,
        ledger=ledger,
        spool=Spool(settings.data / UPLOADS),
        wake_up=wake_up,
        health=Health(
            _blocking(batcher),
            live,
            engine,
            data=settings.data,
            cache=cache,
            worker_runs=watch.runs if watch else None,
        ),
        metrics=metrics,
        writing=stack.enter_context(ThreadPoolExecutor(WRITES_AT_ONCE, thread_name_prefix="write")),
    )


def _blocking(batcher: QueryBatcher) -> Callable[[str], SentenceEmbedding]:
    """For other threads than that of the event loop."""
    loop = asyncio.get_running_loop()
    return lambda sentence: asyncio.run_coroutine_threadsafe(batcher.encode(sentence), loop).result(PATIENCE_S)


class PagePolicy:
    """ASGI middleware: pages may load nothing from elsewhere, and ours is never an old one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = DRAWN_API_POLICY if scope["path"] == DRAWN_API else PAGE_POLICY
                message["headers"] = [*message["headers"], (b"content-security-policy", policy)]
                if scope["path"] == "/" or scope["path"].startswith("/page/"):
                    message["headers"] = [*message["headers"], (b"cache-control", ASK_AGAIN)]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def _cache(settings: Settings) -> Cache:
    local = LocalCache(size=settings.cache_bytes)
    return TwoLevelCache(local, RedisCache(settings.redis_url)) if settings.redis_url else local


def _told_as(encoder: Encoder) -> str:
    return f"{encoder.name}@sha256:{encoder.fingerprint[:12]}"
