"""Find photographs by a sentence, and see which region answered which word."""

import json
import logging
import sys
from collections.abc import Sequence
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import torch
import typer
from fastapi import FastAPI
from PIL import Image
from rich.logging import RichHandler

from indexer.errors import IndexerError
from indexer.explained import explain_photograph, explain_queries
from indexer.index.errors import IndexFault
from indexer.index.inspection import inspect_collection
from indexer.index.layout import collection_path, list_collections
from indexer.index.search import DEFAULT_RECALL, FULL_RECALL
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.ledger.errors import LedgerError
from indexer.ledger.scan import scan
from indexer.ledger.wake_up import WakeUp
from indexer.local_index import Summary, index_paths
from indexer.pictures import pool_for, read_pictures
from indexer.worker import Worker
from model.checkpoint import load_encoder
from model.encoder import Encoder
from model.errors import ModelError
from model.evaluation.captions import read_captions
from model.evaluation.plot import plot_ranks
from model.evaluation.protocol import evaluate_encoder
from model.published import import_published
from model.training.loop import Progress
from model.training.recipe import read_recipe
from model.training.run import Places, train_recipe
from service.app import create_app
from service.demo import DemoFailed, ask, demo_photographs
from service.errors import BadSettings, InvalidRequest, ServiceError
from service.hits import find_hits
from service.logs import configure_logs
from service.server import check_address, run, run_while
from service.settings import Settings, read_settings
from service.stopping import stop_on_signal
from service.terminal import messages, print_hits, print_report, progress_bar, say, show_steps, with_progress
from service.worker_watch import worker_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Data = Annotated[Path | None, typer.Option(help="where collections and jobs are kept [TERAN_DATA, or ./data]")]
Collection = Annotated[str, typer.Option("--collection", "-c", help="name of the collection")]
Model = Annotated[str | None, typer.Option(help="name or folder of the checkpoint [TERAN_MODEL, or the bundled one]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda [TERAN_DEVICE]")]
Features = Annotated[
    Path | None,
    typer.Option(help="folder of bu_att/ and bu_box/, for a model that finds no regions by itself [TERAN_FEATURES]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, and nothing else to standard output")]


@app.command()
def index(
    paths: Annotated[list[Path], typer.Argument(help="photographs, and folders of them")],
    collection: Collection = "default",
    data: Data = None,
    model: Model = None,
    device: Device = None,
    features: Features = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="delete images that came from these paths and are gone")
    ] = False,
) -> None:
    """Index photographs. What is indexed already is passed over, so it can be run again at any time."""
    settings = read_settings(data=data, model=model, device=device, features=features)
    encoder = load(settings)
    summary = index_with_progress(paths, collection_path(settings.data, collection), encoder, prune=prune)
    told = [f"{count} {fate}" for fate, count in sorted(summary.counts.items())]
    if prune:
        told.append(f"{summary.pruned} pruned")
    say(f"{collection}: {', '.join(told) or 'no photographs found'}")
    for failure in summary.failures:
        print(f"  {failure.photograph.source}: {failure.code}: {failure.detail}", file=sys.stderr)
    if summary.failures and len(summary.failures) == summary.counts.total():
        raise typer.Exit(1)  # a few bad files in a large folder are no failure of the whole


@app.command()
def search(
    sentence: Annotated[str, typer.Argument(help="what the photograph should show")],
    collection: Collection = "default",
    data: Data = None,
    model: Model = None,
    device: Device = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
    recall: Annotated[float, typer.Option(min=0.5, max=1, help="share of the exact best to promise")] = DEFAULT_RECALL,
    exact: Annotated[bool, typer.Option("--exact", help="answer as if every image were scored")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="show the region that answered each word")] = False,
    as_json: AsJson = False,
) -> None:
    """Find images by a sentence."""
    settings = read_settings(data=data, model=model, device=device)
    snapshot = open_snapshot(collection_path(settings.data, collection))
    encoder = load(settings)
    snapshot.check_model(encoder.fingerprint)
    (embedding,) = encoder.encode_sentences([sentence])
    ((found, hits),) = find_hits(
        snapshot,
        [embedding],
        collection=collection,
        limit=limit,
        recall=FULL_RECALL if exact else recall,
        shortlist_size=None,
        with_explanation=explain,
    )
    sources = [snapshot.record(hit.row).source for hit in found.hits]
    if as_json:
        told = [hit.model_dump() | {"source": source} for hit, source in zip(hits, sources, strict=True)]
        print(json.dumps({"results": told, "total_shortlisted": found.shortlisted}, indent=1))
    else:
        print_hits(hits, sources)


@app.command()
def serve(
    data: Data = None,
    model: Model = None,
    device: Device = None,
    host: Annotated[str | None, typer.Option(help="[TERAN_HOST, or 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="[TERAN_PORT, or 8000]")] = None,
    root: Annotated[list[Path] | None, typer.Option(help="a folder that POST /index may name; can be repeated")] = None,
    worker: Annotated[bool | None, typer.Option(help="start and watch an indexing worker beside the service")] = None,
) -> None:
    """Serve the page and the API until Ctrl-C."""
    settings = read_settings(data=data, model=model, device=device, host=host, port=port, roots=root, worker=worker)
    configure_logs()
    check_address(settings.host, settings.port)
    run(application(settings, load(settings)), host=settings.host, port=settings.port)


@app.command()
def worker(
    data: Data = None,
    model: Model = None,
    device: Device = None,
    watched: Annotated[bool, typer.Option("--watched", help="end when standard input closes")] = False,
) -> None:
    """Index what was submitted over HTTP, until Ctrl-C; `serve` starts one by itself."""
    settings = read_settings(data=data, model=model, device=device)
    configure_logs()
    stopping = stop_on_signal(watched=watched)
    encoder = load(settings)
    wake_up = WakeUp(settings.redis_url) if settings.redis_url else None
    with pool_for(encoder) as pool, Worker(settings.data, encoder=encoder, pool=pool) as one:
        one.run(stopping=stopping, wake_up=wake_up)


@app.command()
def verify(
    collection: Annotated[str | None, typer.Option("--collection", "-c", help="name of one \\[all of them]")] = None,
    data: Data = None,
) -> None:
    """Check every checksum and all that must hold; exit 1 and name the file on damage."""
    settings = read_settings(data=data)
    damaged = False
    for name in [collection] if collection is not None else list_collections(settings.data) or ["default"]:
        found = verify_collection(collection_path(settings.data, name))
        for fault in found.faults:
            print(f"{fault.file}: {fault.what}")
        for leftover in found.leftovers:
            say(f"{leftover}: left over, removed when something is indexed next")
        if not found.faults:
            print(f"{name}: no fault found")
        damaged = damaged or bool(found.faults)
    if damaged:
        raise typer.Exit(1)


@app.command()
def inspect(collection: Collection = "default", data: Data = None) -> None:
    """Tell what a collection weighs, part by part, and the recall that its shortlists were calibrated for."""
    settings = read_settings(data=data)
    print("\n".join(inspect_collection(collection_path(settings.data, collection)).told()))


@app.command()
def evaluate(
    captions: Annotated[Path, typer.Option(help='JSON lines of {"image", "captions"}')],
    images: Annotated[Path, typer.Option(help="the folder of the images")],
    split: Annotated[str | None, typer.Option(help="only lines whose `split` is this")] = None,
    model: Model = None,
    device: Device = None,
    features: Features = None,
    plot: Annotated[Path | None, typer.Option(help="a picture to write: recall curves and ranks")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure retrieval on captioned images: Recall@K both ways, by the protocol of the field."""
    if plot is not None:
        check_can_be_drawn(plot)
    settings = read_settings(model=model, device=device, features=features)
    encoder = load(settings)
    captioned = read_captions(captions, split=split)
    with pool_for(encoder) as pool:
        files = [images / one.image for one in captioned]
        pictures = with_progress(read_pictures(pool, files), total=len(files), what="images")
        report = evaluate_encoder(encoder, pictures, [one.captions for one in captioned])
    if plot is not None:
        ranks = {"text to image": report.t2i_ranks, "image to text": report.i2t_ranks}
        plot_ranks(ranks, items=max(report.images, report.captions)).save(plot)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        print_report(report)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="a TOML file: docs/training.md tells what it may say")],
    root: Annotated[
        Path | None, typer.Option(help="what the recipe names lies here \\[the folder of the recipe]")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="checkpoints and logs; run again, it goes on \\[runs/NAME-OF-THE-RECIPE]")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="where the finished checkpoint goes [WORK/checkpoint]")] = None,
    device: Device = None,
) -> None:
    """Train a model on captioned images. Stopped by Ctrl-C or worse, the same command goes on where it was."""
    settings = read_settings(device=device)
    described = read_recipe(recipe)
    folder = work or Path("runs") / recipe.stem
    places = Places(root=root or recipe.parent, work=folder, output=output or folder / "checkpoint")
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=messages, show_path=False)]
    )
    stopping = stop_on_signal(watched=False, told="\nit stops after this step; Ctrl-C again ends it at once\n")
    chosen = usable_device(settings)
    with progress_bar() as bar:

        def watch(now: Progress) -> None:
            measured = "".join(f"  {name} {value:.1f}" for name, value in now.metrics.items() if name == "rsum")
            show_steps(bar, now.stage, done=now.step, total=now.steps, told=f"loss {now.loss:.3f}{measured}")

        finished = train_recipe(described, places, device=chosen, watch=watch, stopping=stopping)
    if finished:
        say(f"{places.output}: trained; name it with --model or TERAN_MODEL")
    else:
        say(f"stopped; the same command goes on from the last checkpoint in {folder}")
        raise typer.Exit(130)  # as after Ctrl-C: what takes the finished checkpoint must not go on


@app.command()
def draw(
    output: Annotated[Path, typer.Option("--output", "-o", help="the picture to write")],
    image: Annotated[Path | None, typer.Argument(help="a photograph; it need not be indexed")] = None,
    sentence: Annotated[str | None, typer.Argument()] = None,
    captions: Annotated[Path | None, typer.Option(help="in place of the two: the captions of --images")] = None,
    images: Annotated[
        Path | None, typer.Option(help="a folder: draw its ten best and ten worst queries (.jpg is small)")
    ] = None,
    split: Annotated[str | None, typer.Option(help="only captions whose `split` is this")] = None,
    model: Model = None,
    device: Device = None,
    features: Features = None,
) -> None:
    """Draw the region that answered each word of a sentence, or of the best and worst queries of captioned images."""
    check_can_be_drawn(output)
    one, sheet = (image, sentence), (captions, images)
    if (None in one) == (None in sheet) or any(one) == any(sheet):
        raise InvalidRequest("draw takes a photograph and a sentence, or --captions and --images")
    encoder = load(read_settings(model=model, device=device, features=features))
    if image is not None and sentence is not None:
        drawn, score = explain_photograph(encoder, image, sentence)
        drawn.save(output)
        say(f"{output}: score {score:.3f}")
    elif captions is not None and images is not None:
        captioned = read_captions(captions, split=split)
        explain_queries(encoder, captioned, images, watch=with_progress).save(output)
        say(f"{output}: the best and the worst queries of {len(captioned)} images")


@app.command("import")
def import_checkpoint(
    checkpoint: Annotated[
        Path, typer.Argument(help="a published checkpoint of TERAN or SelfAlign (.pth.tar) or of HAT (.ckpt)")
    ],
    folder: Annotated[Path, typer.Argument(help="where to write the checkpoint of our own format")],
    bert: Annotated[
        str | None, typer.Option(help="folder or hub name of the BERT it was trained with \\[what it says itself]")
    ] = None,
    ensemble: Annotated[
        list[Path] | None, typer.Option(help="a further HAT checkpoint: the mean of their scores counts")
    ] = None,
    vocabulary: Annotated[
        Path | None, typer.Option(help="the published vocabulary (.pkl) of a SelfAlign on VSRN")
    ] = None,
) -> None:
    """Convert a published checkpoint, whichever system it is of; nothing that is pickled in it is run."""
    import_published(checkpoint, folder, bert=bert, ensemble=ensemble or [], vocabulary=vocabulary)
    say(f"{folder}: imported; name it with --model or TERAN_MODEL, and region features with --features")


@app.command()
def demo(
    images: Annotated[Path | None, typer.Option(help="a folder of photographs \\[those of scikit-image]")] = None,
    check: Annotated[bool, typer.Option("--check", help="ask three questions, print the answers and end")] = False,
    data: Data = None,
    port: Annotated[int | None, typer.Option(help="[TERAN_PORT, or 8000]")] = None,
) -> None:
    """Index some photographs and serve them."""
    paths = [images] if images is not None else demo_photographs()
    settings = read_settings(data=data, port=port, roots=[images.resolve()] if images else None)
    configure_logs(level="WARNING" if check else "INFO")
    if not check:
        check_address(settings.host, settings.port)
    encoder = load(settings)
    # A folder of its own for every set of photographs and model, so that a demo shows what was asked for.
    name = sha256("\n".join([encoder.fingerprint, *(str(path.resolve()) for path in paths)]).encode()).hexdigest()[:12]
    settings = settings.model_copy(update={"data": settings.data / "demo" / name})
    index_with_progress(paths, collection_path(settings.data, "default"), encoder, prune=True)
    service = application(settings, encoder)
    if check:
        print(run_while(service, ask, host=settings.host))
    else:
        messages.print(f"[bold]http://{settings.host}:{settings.port}[/bold]  (Ctrl-C ends it)")
        run(service, host=settings.host, port=settings.port)


def main() -> None:
    """Errors that have a message for the user end with it and status 1; others are bugs and show where."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file need not be text
    try:
        app()
    except (ModelError, IndexFault, IndexerError, LedgerError, ServiceError, DemoFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def check_can_be_drawn(path: Path) -> None:
    """Before the work whose result it is."""
    if not path.parent.is_dir():
        raise InvalidRequest(f"{path}: {path.parent} is no folder: make it first")
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise InvalidRequest(f"{path}: pictures of this kind are not written: end its name with .png or .jpg")


def load(settings: Settings) -> Encoder:
    return load_encoder(settings.model, device=usable_device(settings), features=settings.features)


def usable_device(settings: Settings) -> str:
    """What is asked for, if there is one; sets the threads beside."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu" and not torch.cuda.is_available():
        raise BadSettings(f"device {device}: there is no CUDA on this machine; say auto or cpu")
    return device


def application(settings: Settings, encoder: Encoder) -> FastAPI:
    command = worker_command("--data", str(settings.data), "--model", settings.model, "--device", settings.device)
    return create_app(settings, encoder, worker=command if settings.worker else None)


def index_with_progress(paths: Sequence[Path], collection: Path, encoder: Encoder, *, prune: bool) -> Summary:
    with progress_bar() as bar, pool_for(encoder) as pool:
        task = bar.add_task("indexing", total=None, rate="")
        total = sum(1 for _ in scan(paths))
        bar.update(task, total=total)
        return index_paths(
            paths,
            collection,
            encoder=encoder,
            pool=pool,
            prune=prune,
            progress=lambda outcomes: bar.advance(task, len(outcomes)),
        )


if __name__ == "__main__":
    main()
