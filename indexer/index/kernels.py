"""The inner loops of a search, compiled for this processor when they are first called.

Two of them must stay in vector registers, which numba does not promise; these are written in LLVM's vector operations,
of 16 lanes, one for every word. All release the interpreter's lock, use one thread, and take arrays that lie in one
piece: a wrong shape is the caller's mistake and reads what it should not.
"""

from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LANES: Final = 16  # words that are compared at once
CODE_BITS: Final = (12, 10, 10)  # of the three stages of a code, from the lowest bit

Kernel = Callable[..., Any]
I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES, INTS, QUADS = ir.VectorType(I8, LANES), ir.VectorType(I32, LANES), ir.VectorType(I8, 4 * LANES)


def compiled(function: Kernel) -> Kernel:
    """Kept on the disk where numba finds a folder to write to; elsewhere every process compiles for itself."""
    try:
        kernel: Kernel = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no such folder
        kernel = njit(nogil=True)(function)
    return kernel


@intrinsic
def _best_codes(context: Any, tables: Any, codes: Any, count: Any) -> Any:
    """For every lane the most that a code says, summed over the lanes. Tables and codes are addresses.

    The rows of 16 bytes of the three tables lie one behind the other; a code says the sum of one row of each.
    """

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        tables, codes, count = arguments
        loop = _Loop(builder, count)
        best = loop.carry(ir.Constant(BYTES, [0] * LANES))
        code = builder.zext(_load(builder, builder.add(codes, builder.mul(loop.number, I64(4))), I32), I64)
        total = ir.Constant(BYTES, [0] * LANES)
        start = shift = 0
        for bits in CODE_BITS:
            entry = builder.and_(builder.lshr(code, I64(shift)), I64(2**bits - 1))
            row = builder.mul(builder.add(entry, I64(start)), I64(LANES))
            total = builder.add(total, _load(builder, builder.add(tables, row), BYTES))
            start, shift = start + 2**bits, shift + bits
        loop.set(best, builder.select(builder.icmp_unsigned(">", total, best), total, best))
        (found,) = loop.end()
        wide = ir.VectorType(I32, LANES)
        reduce = builder.module.declare_intrinsic(
            f"llvm.vector.reduce.add.v{LANES}i32", (), ir.FunctionType(I32, [wide])
        )
        return builder.zext(builder.call(reduce, [builder.zext(found, wide)]), I64)

    return types.int64(types.int64, types.int64, types.int64), emit


@intrinsic
def _dot_rows(context: Any, one: Any, two: Any, three: Any, four: Any, words: Any, quads: Any, out: Any) -> Any:
    """Four rows of unsigned bytes times 16 words of signed bytes, [4, 16] int32, to `out`. All are addresses.

    Words lie [quads, 16, 4]: the first four numbers of each word, then the next four.
    """

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        *rows, words, quads, out = arguments
        loop = _Loop(builder, quads)
        sums = [loop.carry(ir.Constant(INTS, [0] * LANES)) for _row in rows]
        word = _load(builder, builder.add(words, builder.mul(loop.number, I64(4 * LANES))), QUADS)
        for row, total in zip(rows, sums, strict=True):
            quad = _load(builder, builder.add(row, builder.mul(loop.number, I64(4))), I32)
            loop.set(total, _add_products(builder, total, quad, word))
        for place, total in enumerate(loop.end()):
            address = builder.add(out, I64(4 * LANES * place))
            builder.store(total, builder.inttoptr(address, INTS.as_pointer()), align=4)
        return ir.Constant(I64, 0)

    address = types.int64
    return types.int64(*[address] * 7), emit


class _Loop:
    """A loop in LLVM from 0 to a count of at least one, with values that are carried from turn to turn."""

    def __init__(self, builder: ir.IRBuilder, count: ir.Value) -> None:
        self._builder, self._count, self._before = builder, count, builder.block
        self._body, self._behind = builder.append_basic_block("loop"), builder.append_basic_block("behind")
        builder.branch(self._body)
        builder.position_at_end(self._body)
        self._next: dict[Any, ir.Value] = {}
        self.number = builder.phi(I64)

    def carry(self, start: ir.Value) -> ir.Value:
        value = self._builder.phi(start.type)
        value.add_incoming(start, self._before)
        return value

    def set(self, carried: ir.Value, value: ir.Value) -> None:
        self._next[carried] = value

    def end(self) -> list[ir.Value]:
        """The carried values as the last turn left them."""
        builder = self._builder
        following = builder.add(self.number, I64(1))
        self.number.add_incoming(I64(0), self._before)
        self.number.add_incoming(following, self._body)
        for carried, value in self._next.items():
            carried.add_incoming(value, self._body)
        builder.cbranch(builder.icmp_signed("<", following, self._count), self._body, self._behind)
        builder.position_at_end(self._behind)
        return list(self._next.values())


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1, typ=kind)


def _add_products(builder: ir.IRBuilder, total: ir.Value, quad: ir.Value, words: ir.Value) -> ir.Value:
    """Add to every lane the four products of the quad's unsigned bytes with that lane's signed ones."""
    spread = builder.shuffle_vector(
        builder.insert_element(ir.Constant(INTS, ir.Undefined), quad, I32(0)),
        ir.Constant(INTS, ir.Undefined),
        ir.Constant(INTS, [0] * LANES),
    )
    if llvm.get_host_cpu_features().get("avx512vnni"):
        name, kind = "llvm.x86.avx512.vpdpbusd.512", ir.FunctionType(INTS, [INTS] * 3)
        product = builder.module.declare_intrinsic(name, (), kind)
        return builder.call(product, [total, spread, builder.bitcast(words, INTS)])
    quads, undefined = builder.bitcast(spread, QUADS), ir.Constant(QUADS, ir.Undefined)
    for place in range(4):
        lanes = ir.Constant(INTS, [4 * lane + place for lane in range(LANES)])
        numbers, factors = (builder.shuffle_vector(some, undefined, lanes) for some in (words, quads))
        total = builder.add(total, builder.mul(builder.sext(numbers, INTS), builder.zext(factors, INTS)))
    return total


@compiled
def scan_codes(codes: Any, offsets: Any, alive: Any, tables: Any, first: int, last: int, scores: Any) -> None:
    """Add to `scores` [n] int32 of the images from `first` to before `last` what their codes say; -1 for the dead.

    Codes [sum of R] uint32, offsets [n + 1] int64, alive [n] bool, tables [blocks, entries, 16] uint8.
    """
    for image in range(first, last):
        score = -1
        count = offsets[image + 1] - offsets[image]
        if alive[image] and count > 0:
            score = 0
            for block in range(tables.shape[0]):
                score += _best_codes(
                    tables.ctypes.data + block * tables.shape[1] * LANES,
                    codes.ctypes.data + 4 * offsets[image],
                    count,
                )
        scores[image] = score


@compiled
def best_products(
    rows: Any, offsets: Any, images: Any, words: Any, scales: Any, zeros: Any, first: int, last: int, scores: Any
) -> None:
    """MrSw of some images by byte rows, into `scores` [K] float32, those of `images` [first:last].

    Rows [sum of R, 4 * quads] uint8, offsets [n + 1], images [K] int64, words [blocks, quads, 16, 4] int8,
    scales [blocks, 16] float32 and zeros [blocks, 16] int32: a cosine is scale * (product - zero).
    """
    products = np.empty((4, LANES), np.int32)
    best = np.empty(LANES, np.int32)
    width = rows.shape[1]
    for place in range(first, last):
        image = images[place]
        start, end = offsets[image], offsets[image + 1]
        score = np.float32(0.0)
        for block in range(words.shape[0]):
            best[:] = -(2**31)
            for row in range(start, end, 4):
                _dot_rows(
                    rows.ctypes.data + row * width,
                    rows.ctypes.data + min(row + 1, end - 1) * width,
                    rows.ctypes.data + min(row + 2, end - 1) * width,
                    rows.ctypes.data + min(row + 3, end - 1) * width,
                    words.ctypes.data + block * width * LANES,
                    words.shape[1],
                    products.ctypes.data,
                )
                for some in range(4):
                    for lane in range(LANES):
                        best[lane] = max(best[lane], products[some, lane])
            for lane in range(LANES):
                score += scales[block, lane] * np.float32(best[lane] - zeros[block, lane])
        scores[place] = score


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
    width = rows.shape[1]
    for row in range(first, last, 4):
        for block in range(entries.shape[0]):
            _dot_rows(
                rows.ctypes.data + row * width,
                rows.ctypes.data + min(row + 1, last - 1) * width,
                rows.ctypes.data + min(row + 2, last - 1) * width,
                rows.ctypes.data + min(row + 3, last - 1) * width,
                entries.ctypes.data + block * width * LANES,
                entries.shape[1],
                some.ctypes.data,
            )
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


def warm_up() -> None:
    """Compile what a search needs, or read it from where it is kept: seconds that no user should wait for."""
    offsets, scores = np.array([0, 1]), np.empty(1, np.int32)
    tables = np.zeros((1, sum(2**bits for bits in CODE_BITS), LANES), np.uint8)
    scan_codes(np.zeros(1, np.uint32), offsets, np.ones(1, np.bool_), tables, 0, 1, scores)
    words, steps, zeros = (
        np.zeros((1, 1, LANES, 4), np.int8),
        np.zeros((1, LANES), np.float32),
        np.zeros((1, LANES), np.int32),
    )
    rows, images = np.zeros((1, 4), np.uint8), np.zeros(1, np.int64)
    best_products(rows, offsets, images, words, steps, zeros, 0, 1, np.empty(1, np.float32))
