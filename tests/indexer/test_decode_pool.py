"""Good photographs are decoded whatever happens to their neighbours, and no process outlives its parent."""

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from indexer.decode import Decoded, decode
from indexer.decode_pool import DecodePool
from indexer.decode_process import Source
from indexer.errors import DecodeError, DecoderNotStarted
from model.framing import Framing

SQUARE = Framing(32)
FILES = Path("/proc/self/fd")
PROJECT = Path(__file__).resolve().parents[2]


def jpeg(number: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (120, 80), (number % 256, number // 2 % 256, 99)).save(buffer, "JPEG")
    return buffer.getvalue()


def slow_bmp(byte_count: int) -> bytes:
    """A run-length encoded picture in runs of a single pixel: two megabytes take a second or so."""
    size = struct.pack("<IiiHHIIiiII", 40, 7_000, 7_000, 1, 8, 1, 0, 0, 0, 256, 0)
    head = b"BM" + struct.pack("<III", 54 + 1024 + byte_count, 0, 54 + 1024) + size + bytes(1024)
    return head + b"\x01\x07" * (byte_count // 2)


def large_png() -> bytes:
    """62 megapixels, of which a decoder needs more than 240 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 7_900, 7_900, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes((1 + 3 * 7_900) * 7_900), 1)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def summary(outcome: Decoded | DecodeError) -> object:
    return str(outcome.code) if isinstance(outcome, DecodeError) else (outcome.pixels.tobytes(), outcome.thumbnail)


def expected(data: bytes) -> object:
    try:
        return summary(decode(data, framing=SQUARE))
    except DecodeError as error:
        return summary(error)


def proc(process: int | str, name: str) -> str:
    try:
        return Path(f"/proc/{process}/{name}").read_text()
    except OSError:
        return ""  # it has just ended


def status_of(process: int | str) -> list[str]:
    return proc(process, "stat").rpartition(")")[2].split()


def children_of(parent: int) -> set[int]:
    processes = [entry.name for entry in Path("/proc").glob("[0-9]*")]
    return {int(process) for process in processes if status_of(process)[1:2] == [str(parent)]}


def is_running(process: int) -> bool:
    return status_of(process)[:1] not in ([], ["Z"], ["X"])


def decoders_of(parent: int) -> list[int]:
    return [child for child in children_of(parent) if "import serve" in proc(child, "cmdline")]


def large_decoders(parent: int) -> list[int]:
    """Those at work on a slow_bmp of 60 MB."""
    pages = 90 * 2**20 // os.sysconf("SC_PAGE_SIZE")
    return [child for child in decoders_of(parent) if int((proc(child, "statm") or "0 0").split()[1]) > pages]


def wait_until(happened: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_outcomes_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    items: list[tuple[int, Source]] = [(number, jpeg(number)) for number in range(40)]
    (tmp_path / "a.jpg").write_bytes(jpeg(7))
    items[7] = (7, tmp_path / "a.jpg")
    with DecodePool(processes=2, framing=SQUARE, in_flight=8) as pool:
        outcomes = list(pool.decode(items))
    assert [key for key, _ in outcomes] == list(range(40))
    assert [summary(outcome) for _, outcome in outcomes] == [expected(jpeg(number)) for number in range(40)]
    assert all(isinstance(outcome, Decoded) and outcome.pixels.flags.writeable for _, outcome in outcomes)


def kill_large_decoders(*signals: signal.Signals) -> None:
    for sign in signals:
        wait_until(lambda: large_decoders(os.getpid()) != [])
        victim = large_decoders(os.getpid())[0]
        os.kill(victim, sign)
        wait_until(lambda: not is_running(victim))  # noqa: B023  called before the next turn


def test_a_mixed_run_with_crashes_loses_nothing_but_the_victims(tmp_path: Path) -> None:
    (tmp_path / "victim.bmp").write_bytes(slow_bmp(60_000_000))
    os.mkfifo(tmp_path / "pipe.jpg")
    bad = {1: b"", 3: b"text", 5: jpeg(5)[:-60], 8: jpeg(8)[:99], 9: jpeg(9)[:1]}
    items: list[tuple[int, Source]] = [(number, bad.get(number % 20, jpeg(number))) for number in range(300)]
    answers = {key: expected(source) for key, source in items if isinstance(source, bytes)}
    for number in (50, 51, 250):
        items[number], answers[number] = (number, tmp_path / "victim.bmp"), "decoder_crashed"
    items[100], answers[100] = (100, tmp_path / "pipe.jpg"), "image_unreadable"
    items[101], answers[101] = (101, tmp_path / "missing.jpg"), "image_unreadable"
    killer = Thread(target=kill_large_decoders, args=[signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], daemon=True)
    killer.start()
    with DecodePool(processes=2, framing=SQUARE, in_flight=16, timeout_s=60) as pool:
        outcomes = {key: summary(outcome) for key, outcome in pool.decode(items)}
    killer.join()
    assert outcomes == answers


def test_a_decoder_that_takes_too_long_fails_its_photograph_only() -> None:
    items = [("before", jpeg(1)), ("slow", slow_bmp(20_000_000)), ("after", jpeg(2))]
    with DecodePool(processes=1, framing=SQUARE, timeout_s=1.5) as pool:
        outcomes = {key: summary(outcome) for key, outcome in pool.decode(items)}
    assert outcomes == {"before": expected(jpeg(1)), "slow": "image_timeout", "after": expected(jpeg(2))}


def test_a_decoder_that_takes_too_much_memory_fails_its_photograph_only() -> None:
    large = large_png()
    with DecodePool(processes=1, framing=SQUARE, memory_limit=350 * 2**20) as pool:
        outcomes = [summary(outcome) for _, outcome in pool.decode(enumerate([jpeg(1), large, large, jpeg(2)]))]
    assert outcomes == [expected(jpeg(1)), "image_too_large", "image_too_large", expected(jpeg(2))]


def test_the_memory_of_a_refused_photograph_is_there_for_the_next() -> None:
    large = large_png()
    with DecodePool(processes=1, framing=SQUARE, memory_limit=450 * 2**20) as pool:
        outcomes = [outcome for _, outcome in pool.decode(enumerate([large[:-90_000], large]))]
    assert [isinstance(outcome, Decoded) for outcome in outcomes] == [False, True]


def test_an_idle_decoder_that_died_costs_nothing() -> None:
    with DecodePool(processes=1, framing=SQUARE) as pool:
        list(pool.decode([(0, jpeg(0))]))
        [child] = decoders_of(os.getpid())
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not is_running(child))
        assert [summary(outcome) for _, outcome in pool.decode([(1, jpeg(1))])] == [expected(jpeg(1))]


def test_no_more_items_are_taken_than_may_be_in_flight() -> None:
    taken: list[int] = []

    def items() -> Iterator[tuple[int, bytes]]:
        for number in range(30):
            taken.append(number)
            yield number, jpeg(number)

    with DecodePool(processes=2, framing=SQUARE, in_flight=5) as pool:
        for key, _ in pool.decode(items()):
            assert len(taken) <= key + 5


def test_decoding_goes_on_while_the_caller_computes() -> None:
    with DecodePool(processes=1, framing=SQUARE, in_flight=2) as pool:
        outcomes = pool.decode([(0, jpeg(0)), (1, slow_bmp(20_000_000)), (2, jpeg(2))])
        next(outcomes)
        [child] = decoders_of(os.getpid())
        ticks_of_processor = 11
        start = int(status_of(child)[ticks_of_processor])
        wait_until(lambda: int(status_of(child)[ticks_of_processor]) > start + 20)


def test_two_threads_may_share_a_pool() -> None:
    seen: dict[str, list[object]] = {}
    items = [(number, jpeg(number)) for number in range(30)]
    with DecodePool(processes=2, framing=SQUARE, in_flight=4) as pool:
        threads = [Thread(target=lambda name=name: seen.update({name: list(pool.decode(items))})) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [[key for key, _ in seen[name]] for name in "ab"] == [list(range(30))] * 2


def test_leaving_early_ends_at_once() -> None:
    slow, children_before = slow_bmp(20_000_000), children_of(os.getpid())
    with DecodePool(processes=2, framing=SQUARE, timeout_s=60) as pool:
        outcomes = pool.decode([(0, jpeg(0)), (1, slow), (2, slow), (3, slow), (4, slow)])
        next(outcomes)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    assert children_of(os.getpid()) == children_before


def test_a_thousand_items_and_some_deaths_leave_nothing_open() -> None:
    open_before, children_before = len([*FILES.iterdir()]), children_of(os.getpid())
    with DecodePool(processes=2, framing=SQUARE) as pool:
        for key, _ in pool.decode((number, jpeg(0) if number % 2 else b"text") for number in range(1_000)):
            if key % 200 == 100:
                os.kill(min(decoders_of(os.getpid())), signal.SIGKILL)
        assert len(children_of(os.getpid()) - children_before) <= 2
    assert len([*FILES.iterdir()]) == open_before
    assert children_of(os.getpid()) == children_before


def test_a_decoder_that_cannot_start_is_no_fault_of_the_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with DecodePool(processes=1, framing=SQUARE) as pool, pytest.raises(DecoderNotStarted, match="status 1"):
        list(pool.decode([(0, jpeg(0))]))


PROGRAM = """
import sys
from pathlib import Path
from indexer.decode_pool import DecodePool
from model.framing import Framing
print("main")
with DecodePool(processes=2, framing=Framing(32), timeout_s=2) as pool:
    for key, outcome in pool.decode((path, Path(path)) for path in sys.argv[1:]):
        print(getattr(outcome, "code", "decoded"), flush=True)
"""


def start_program(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "picture.jpg").write_bytes(jpeg(1))
    return tmp_path / "picture.jpg"


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    (tmp_path / "slow.bmp").write_bytes(slow_bmp(60_000_000))
    return tmp_path / "slow.bmp"


def test_it_works_from_a_line_and_from_a_script_that_is_not_run_again(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)
    for program in (["-c", PROGRAM], [tmp_path / "script.py"]):
        output, complaints = start_program(*program, picture, picture).communicate(timeout=60)
        assert (output, complaints) == ("main\ndecoded\ndecoded\n", "")


def test_decoders_die_with_a_parent_that_is_killed(picture: Path, slow: Path) -> None:
    program = start_program("-c", PROGRAM, slow, picture)
    wait_until(lambda: len(large_decoders(program.pid)) == 1)
    decoders = decoders_of(program.pid)
    assert len(decoders) == 2  # one of them idle, or soon
    program.kill()
    program.communicate()
    wait_until(lambda: not any(map(is_running, decoders)))


def test_an_interrupt_from_the_keyboard_ends_everything_quietly(slow: Path) -> None:
    # A suite that a shell runs in the background has interrupts ignored, and so have its children.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = start_program("-c", heeding + PROGRAM.replace("timeout_s=2", "timeout_s=60"), slow, slow)
    wait_until(lambda: len(large_decoders(program.pid)) == 2)
    decoders = decoders_of(program.pid)
    os.killpg(program.pid, signal.SIGINT)
    _, complaints = program.communicate(timeout=20)
    assert complaints.count("Traceback") == 1
    assert complaints.rstrip().endswith("KeyboardInterrupt")
    assert not any(map(is_running, decoders))


def test_an_interrupt_that_the_parent_handles_does_not_reach_the_decoders(slow: Path) -> None:
    program = start_program("-c", "import signal; signal.signal(signal.SIGINT, lambda *_: None)" + PROGRAM, slow)
    wait_until(lambda: len(large_decoders(program.pid)) == 1)
    os.killpg(program.pid, signal.SIGINT)
    assert program.communicate(timeout=20) == ("main\nimage_timeout\n", "")
