"""The inner loops that must stay in vector registers, which numba does not promise: in LLVM's vector operations.

They are of 16 lanes, one for every word, and take addresses: a wrong one reads what it should not.
"""

from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

LANES: Final = 16  # words that are compared at once
CODE_BITS: Final = (10, 11, 11)  # of the three stages of a code, from the lowest bit

I8, I16, I32, I64, F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
BYTES, INTS, FLOATS = (ir.VectorType(kind, LANES) for kind in (I8, I32, F32))
QUADS = ir.VectorType(I8, 4 * LANES)


@intrinsic
def best_codes(context: Any, tables: Any, codes: Any, count: Any) -> Any:
    """For every lane the most that a code says, summed over the lanes. Tables and codes are addresses.

    The rows of 16 bytes of the three tables lie one behind the other; a code says the sum of one row of each.
    """

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        tables, codes, count = arguments
        loop = _Loop(builder)
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
        (found,) = loop.end_at(count)
        return _sum_of_lanes(builder, found)

    return types.int64(types.int64, types.int64, types.int64), emit


@intrinsic
def best_sketch(context: Any, tables: Any, triples: Any) -> Any:
    """Of one image for every lane the most that an entry says, summed over the lanes, and 2^32 for every triple read.

    Tables and triples are addresses. A triple is three entries of ten bits; the highest bit ends the image.
    """

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        tables, triples = arguments
        loop = _Loop(builder)
        best = loop.carry(ir.Constant(BYTES, [0] * LANES))
        triple = builder.zext(_load(builder, builder.add(triples, builder.mul(loop.number, I64(4))), I32), I64)
        most = best
        for place in range(3):
            entry = builder.and_(builder.lshr(triple, I64(place * CODE_BITS[0])), I64(2 ** CODE_BITS[0] - 1))
            row = _load(builder, builder.add(tables, builder.mul(entry, I64(LANES))), BYTES)
            most = builder.select(builder.icmp_unsigned(">", row, most), row, most)
        loop.set(best, most)
        (found,) = loop.end_unless(builder.icmp_unsigned("<", triple, I64(2**31)))
        read = builder.shl(loop.turns, I64(32))
        return builder.or_(read, _sum_of_lanes(builder, found))

    return types.int64(types.int64, types.int64), emit


@intrinsic
def dot_bytes(context: Any, one: Any, two: Any, three: Any, four: Any, words: Any, quads: Any, out: Any) -> Any:
    """Four rows of unsigned bytes times 16 words of signed bytes, [4, 16] int32, to `out`. All are addresses.

    Words lie [quads, 16, 4]: the first four numbers of each word, then the next four.
    """

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        add_products = _add_products()
        *rows, words, quads, out = arguments
        loop = _Loop(builder)
        sums = [loop.carry(ir.Constant(INTS, [0] * LANES)) for _row in rows]
        word = _load(builder, builder.add(words, builder.mul(loop.number, I64(4 * LANES))), QUADS)
        for row, total in zip(rows, sums, strict=True):
            quad = _load(builder, builder.add(row, builder.mul(loop.number, I64(4))), I32)
            loop.set(total, add_products(builder, total, _spread(builder, quad, INTS), word))
        return _store(builder, loop.end_at(quads), out)

    return types.int64(*[types.int64] * 7), emit


@intrinsic
def dot_floats(context: Any, one: Any, two: Any, three: Any, four: Any, words: Any, width: Any, out: Any) -> Any:
    """Four rows of float32 times 16 words of float32 [width, 16], to `out` [4, 16] float32. All are addresses."""

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        *rows, words, width, out = arguments
        loop = _Loop(builder)
        sums = [loop.carry(ir.Constant(FLOATS, [0.0] * LANES)) for _row in rows]
        add = builder.module.declare_intrinsic(f"llvm.fmuladd.v{LANES}f32", (), ir.FunctionType(FLOATS, [FLOATS] * 3))
        word = _load(builder, builder.add(words, builder.mul(loop.number, I64(4 * LANES))), FLOATS)
        for row, total in zip(rows, sums, strict=True):
            number = _load(builder, builder.add(row, builder.mul(loop.number, I64(4))), F32)
            loop.set(total, builder.call(add, [_spread(builder, number, FLOATS), word, total]))
        return _store(builder, loop.end_at(width), out)

    return types.int64(*[types.int64] * 7), emit


class _Loop:
    """A loop in LLVM that turns at least once, with values that are carried from turn to turn."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self._builder, self._before = builder, builder.block
        self._body, self._behind = builder.append_basic_block("loop"), builder.append_basic_block("behind")
        builder.branch(self._body)
        builder.position_at_end(self._body)
        self._next: dict[Any, ir.Value] = {}
        self.number = builder.phi(I64)  # of the turn, from 0

    def carry(self, start: ir.Value) -> ir.Value:
        value = self._builder.phi(start.type)
        value.add_incoming(start, self._before)
        return value

    def set(self, carried: ir.Value, value: ir.Value) -> None:
        self._next[carried] = value

    def end_at(self, count: ir.Value) -> list[ir.Value]:
        return self.end_unless(self._builder.icmp_signed("<", self._builder.add(self.number, I64(1)), count))

    def end_unless(self, more: ir.Value) -> list[ir.Value]:
        """The carried values as the last turn left them."""
        builder = self._builder
        self.turns = builder.add(self.number, I64(1))
        self.number.add_incoming(I64(0), self._before)
        self.number.add_incoming(self.turns, self._body)
        for carried, value in self._next.items():
            carried.add_incoming(value, self._body)
        builder.cbranch(more, self._body, self._behind)
        builder.position_at_end(self._behind)
        return list(self._next.values())


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1, typ=kind)


def _store(builder: ir.IRBuilder, vectors: list[ir.Value], out: ir.Value) -> ir.Value:
    """One behind the other."""
    for place, vector in enumerate(vectors):
        address = builder.add(out, I64(4 * LANES * place))
        builder.store(vector, builder.inttoptr(address, vector.type.as_pointer()), align=4)
    return ir.Constant(I64, 0)


def _spread(builder: ir.IRBuilder, number: ir.Value, kind: ir.VectorType) -> ir.Value:
    """The number in every lane."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, number, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count))


def _sum_of_lanes(builder: ir.IRBuilder, found: ir.Value) -> ir.Value:
    name = f"llvm.vector.reduce.add.v{LANES}i32"
    reduce = builder.module.declare_intrinsic(name, (), ir.FunctionType(I32, [INTS]))
    return builder.zext(builder.call(reduce, [builder.zext(found, INTS)]), I64)


AddProducts = Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value]


def _add_products() -> AddProducts:
    """Adds to every lane the four products of a quad's unsigned bytes with that lane's signed ones, on this processor.

    The quad is spread over the lanes.
    """
    if _has("avx512vnni"):
        return lambda builder, total, quads, words: _dot_512(builder, total, quads, builder.bitcast(words, INTS))
    if _has("avx2"):
        return _add_pairs
    return _add_one_by_one


def _has(feature: str) -> bool:
    """What the code is made for: this processor, unless NUMBA_CPU_FEATURES says otherwise."""
    if config.CPU_FEATURES is not None:
        return f"+{feature}" in config.CPU_FEATURES.split(",")
    return bool(llvm.get_host_cpu_features().get(feature))


def _dot_512(builder: ir.IRBuilder, total: ir.Value, quads: ir.Value, words: ir.Value) -> ir.Value:
    kind = ir.FunctionType(INTS, [INTS] * 3)
    product = builder.module.declare_intrinsic("llvm.x86.avx512.vpdpbusd.512", (), kind)
    return builder.call(product, [total, quads, words])


def _add_pairs(builder: ir.IRBuilder, total: ir.Value, quads: ir.Value, words: ir.Value) -> ir.Value:
    """In 16 bits, for bytes would be added up with saturation."""
    pairs, eight = ir.VectorType(I16, 16), ir.VectorType(I32, 8)
    product = builder.module.declare_intrinsic("llvm.x86.avx2.pmadd.wd", (), ir.FunctionType(eight, [pairs, pairs]))
    shorts = builder.bitcast(words, ir.VectorType(I16, 2 * LANES))
    numbers = builder.bitcast(quads, ir.VectorType(I16, 2 * LANES))
    mask = ir.Constant(numbers.type, [255] * 2 * LANES)
    eights = ir.Constant(numbers.type, [8] * 2 * LANES)
    low = (builder.and_(numbers, mask), builder.ashr(builder.shl(shorts, eights), eights))
    high = (builder.lshr(numbers, eights), builder.ashr(shorts, eights))
    undefined = ir.Constant(numbers.type, ir.Undefined)
    halves = [ir.Constant(ir.VectorType(I32, 16), list(range(start, start + 16))) for start in (0, 16)]
    for some, others in (low, high):
        parts = [
            builder.call(product, [builder.shuffle_vector(side, undefined, half) for side in (some, others)])
            for half in halves
        ]
        whole = builder.shuffle_vector(*parts, ir.Constant(INTS, list(range(LANES))))
        total = builder.add(total, whole)
    return total


def _add_one_by_one(builder: ir.IRBuilder, total: ir.Value, quads: ir.Value, words: ir.Value) -> ir.Value:
    factors, undefined = builder.bitcast(quads, QUADS), ir.Constant(QUADS, ir.Undefined)
    for place in range(4):
        lanes = ir.Constant(INTS, [4 * lane + place for lane in range(LANES)])
        number, factor = (builder.shuffle_vector(some, undefined, lanes) for some in (words, factors))
        total = builder.add(total, builder.mul(builder.sext(number, INTS), builder.zext(factor, INTS)))
    return total
