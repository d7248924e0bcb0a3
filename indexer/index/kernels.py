"""The inner loops of a search, compiled for this processor when they are first called.

All release the interpreter's lock, use one thread, and take arrays that lie in one piece: a wrong shape is the
caller's mistake and reads what it should not.
"""

from typing import Any

import numpy as np
from numba import njit

from indexer.index.compiled import compiled
from indexer.index.memory_hints import fetch_range
from indexer.index.vector_loops import CODE_BITS, LANES, best_codes, best_sketch, dot_bytes, dot_floats

AHEAD = 8  # images whose codes are asked for before they are needed: they lie anywhere in memory


@compiled
def draw_sketches(codes: Any, offsets: Any, images_of_block: int, triples: Any, starts: Any, order: Any) -> Any:
    """The distinct first stages of every image's codes, three in a triple; how many triples that makes.

    Triples [enough] uint32, starts [blocks + 1], order [n] uint8: the images of a block as they lie one behind the
    other, those of fewest triples first. The last triple of an image repeats its last entry, and has the highest bit.
    """
    entries = 1 << CODE_BITS[0]
    seen = np.full(entries, -1, np.int64)
    found = np.zeros((images_of_block, entries + 2), np.uint32)
    lengths = np.empty(images_of_block, np.int64)
    end = 0
    for block in range(len(starts) - 1):
        first, last = block * images_of_block, min((block + 1) * images_of_block, len(offsets) - 1)
        starts[block] = end
        for image in range(first, last):
            some, count = found[image - first], 0
            for place in range(offsets[image], offsets[image + 1]):
                entry = codes[place] & np.uint32(entries - 1)
                if seen[entry] != image:
                    seen[entry] = image
                    some[count] = entry
                    count += 1
            some[count : count + 2] = some[count - 1]
            lengths[image - first] = -(-count // 3)
        order[first:last] = np.argsort(lengths[: last - first], kind="mergesort")
        for place in range(first, last):
            some = found[order[place]]
            for number in range(0, 3 * lengths[order[place]], 3):
                triples[end] = some[number] | some[number + 1] << np.uint32(10) | some[number + 2] << np.uint32(20)
                end += 1
            triples[end - 1] |= np.uint32(1 << 31)
    starts[-1] = end
    return end


@compiled
def scan_sketches(
    triples: Any,
    starts: Any,
    order: Any,
    images_of_block: int,
    alive: Any,
    tables: Any,
    first: int,
    last: int,
    scores: Any,
) -> None:
    """What the sketches of the images in blocks [first:last] say, to `scores` [n] int32; -1 of the dead.

    Tables [blocks of words, entries, 16] uint8. Images of as many triples lie together: the end of an image is a branch
    that the processor predicts.
    """
    for block in range(first, last):
        address = triples.ctypes.data + 4 * starts[block]
        for place in range(block * images_of_block, min((block + 1) * images_of_block, len(order))):
            score, read = 0, 0
            for words in range(tables.shape[0]):
                found = best_sketch(tables.ctypes.data + words * tables.shape[1] * LANES, address)
                score += found & 0xFFFFFFFF
                read = found >> 32
            address += 4 * read
            image = block * images_of_block + order[place]
            scores[image] = score if alive[image] else -1


@compiled
def scan_codes(codes: Any, offsets: Any, images: Any, tables: Any, first: int, last: int, scores: Any) -> None:
    """What the codes of some images say, into `scores` [K] int32, those of `images` [first:last].

    Codes [sum of R] uint32, offsets [n + 1], images [K] int64, tables [blocks, entries, 16] uint8.
    """
    for place in range(first, last):
        later = images[min(place + AHEAD, last - 1)]
        fetch_range(codes.ctypes.data + 4 * offsets[later], codes.ctypes.data + 4 * offsets[later + 1])
        start, end = offsets[images[place]], offsets[images[place] + 1]
        score = 0
        for block in range(tables.shape[0]):
            score += best_codes(
                tables.ctypes.data + block * tables.shape[1] * LANES, codes.ctypes.data + 4 * start, end - start
            )
        scores[place] = score


@njit(nogil=True, inline="always")
def four_products(rows: Any, row: int, end: int, words: Any, block: int, products: Any) -> None:
    """Of the byte rows from `row` to before `end`, four at most; the last stands for those that are missing."""
    width = rows.shape[1]
    dot_bytes(
        rows.ctypes.data + row * width,
        rows.ctypes.data + min(row + 1, end - 1) * width,
        rows.ctypes.data + min(row + 2, end - 1) * width,
        rows.ctypes.data + min(row + 3, end - 1) * width,
        words.ctypes.data + block * width * LANES,
        words.shape[1],
        products.ctypes.data,
    )


@compiled
def count_scores(scores: Any, counts: Any) -> None:
    """Add to `counts` how many have which of the scores [K] int32; -1 is none."""
    for score in scores:
        if score >= 0:
            counts[score] += 1


@compiled
def best_products(
    rows: Any,
    offsets: Any,
    images: Any,
    words: Any,
    scales: Any,
    zeros: Any,
    sentences: Any,
    first: int,
    last: int,
    scores: Any,
) -> None:
    """MrSw of some images by byte rows, into `scores` [sentences, K] float32, those of `images` [first:last].

    Rows [sum of R, 4 * quads] uint8, offsets [n + 1], images [K] int64, words [blocks, quads, 16, 4] int8,
    scales [blocks, 16] float32 and zeros [blocks, 16] int32: a cosine is scale * (product - zero). Sentences [blocks]
    says of which sentence a block is: the rows of an image are read once for all of them.
    """
    products = np.empty((4, LANES), np.int32)
    best = np.empty(LANES, np.int32)
    width = rows.shape[1]
    for place in range(first, last):
        start, end = offsets[images[place]], offsets[images[place] + 1]
        ahead = offsets[images[min(place + 1, last - 1)]] - start
        scores[:, place] = 0.0
        for block in range(words.shape[0]):
            best[:] = -(2**31)
            for row in range(start, end, 4):
                if block == 0:
                    later = rows.ctypes.data + (row + ahead) * width
                    fetch_range(later, later + 4 * width)
                four_products(rows, row, end, words, block, products)
                for some in range(4):
                    for lane in range(LANES):
                        best[lane] = max(best[lane], products[some, lane])
            score = scores[sentences[block], place]
            for lane in range(LANES):
                score += scales[block, lane] * np.float32(best[lane] - zeros[block, lane])
            scores[sentences[block], place] = score


@compiled
def best_cosines(rows: Any, offsets: Any, images: Any, words: Any, first: int, last: int, scores: Any) -> None:
    """MrSw of some images, accumulated in float32, into `scores` [K], those of `images` [first:last].

    Rows [sum of R, D] uint16 that are the bits of float16, offsets [n + 1], images [K] int64, words [blocks, D, 16].
    """
    width = rows.shape[1]
    whole = np.empty((4, width), np.float32)
    bits = whole.view(np.uint32)
    products = np.empty((4, LANES), np.float32)
    best = np.empty(LANES, np.float32)
    for place in range(first, last):
        start, end = offsets[images[place]], offsets[images[place] + 1]
        score = np.float32(0.0)
        for block in range(words.shape[0]):
            best[:] = -np.inf
            for row in range(start, end, 4):
                for some in range(4):
                    _widen(rows[min(row + some, end - 1)], bits[some], whole[some])
                dot_floats(
                    whole.ctypes.data,
                    whole.ctypes.data + 4 * width,
                    whole.ctypes.data + 8 * width,
                    whole.ctypes.data + 12 * width,
                    words.ctypes.data + 4 * block * width * LANES,
                    width,
                    products.ctypes.data,
                )
                for some in range(4):
                    for lane in range(LANES):
                        best[lane] = products[some, lane] if products[some, lane] > best[lane] else best[lane]
            for lane in range(LANES):
                score += best[lane] if end > start else np.float32(0.0)
        scores[place] = score


@njit(nogil=True, inline="always")
def _widen(halves: Any, bits: Any, whole: Any) -> None:
    """float16 to float32 [D], without what not every processor has: the exponent counts from -112, then from 0."""
    for place in range(len(halves)):
        half = np.uint32(halves[place])
        bits[place] = ((half & np.uint32(0x7FFF)) << np.uint32(13)) | ((half & np.uint32(0x8000)) << np.uint32(16))
    for place in range(len(halves)):
        whole[place] *= np.float32(2.0**112)


@njit(nogil=True, fastmath=True)
def _place_of_most(numbers: Any) -> Any:
    """Like argmax, in vector registers."""
    most = numbers[0]
    for number in numbers:
        most = max(most, number)
    place = 0
    while numbers[place] != most:
        place += 1
    return place


@compiled
def nearest_entries(
    rows: Any,
    entries: Any,
    steps: Any,
    zeros: Any,
    squares: Any,
    taken: Any,
    starts: Any,
    bits: Any,
    first: int,
    last: int,
    codes: Any,
) -> None:
    """Codes [n] uint32 of rows [first:last]: for every stage the entry nearest to what the earlier stages leave.

    Rows [n, 4 * quads] uint8, entries [blocks, quads, 16, 4] int8 of all stages with their steps, zeros and half
    squares [entries], taken [entries, those behind the first stage] their products, starts where the stages begin and
    the last ends.
    """
    products = np.empty((4, entries.shape[0] * LANES), np.int32)
    some = np.empty((4, LANES), np.int32)
    worth = np.empty(starts[-1], np.float32)
    for row in range(first, last, 4):
        for block in range(entries.shape[0]):
            four_products(rows, row, last, entries, block, some)
            products[:, block * LANES : (block + 1) * LANES] = some
        for place in range(min(4, last - row)):
            for entry in range(starts[-1]):
                worth[entry] = steps[entry] * np.float32(products[place, entry] - zeros[entry]) - squares[entry]
            code, shift = np.uint32(0), 0
            for stage in range(len(bits)):
                start, end = starts[stage], starts[stage + 1]
                best = start + _place_of_most(worth[start:end])
                code |= np.uint32(best - start) << np.uint32(shift)
                shift += bits[stage]
                worth[end:] -= taken[best, end - starts[1] :]
            codes[row + place] = code
