"""Asking for memory before it is needed: of the processor, for what is not in its caches, and of the system, for what
is on the disk."""

from mmap import MADV_WILLNEED
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from indexer.index.compiled import compiled
from indexer.index.vector_loops import I8, I32, I64

LINE = 64  # bytes that a processor reads at once


@intrinsic
def fetch(context: Any, address: Any) -> Any:
    """Have the processor read the cache line of an address, while it does other work; a wrong address does no harm."""

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        (address,) = arguments
        pointer = builder.inttoptr(address, ir.PointerType(I8))
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        to_read, into_all_caches, data = I32(0), I32(3), I32(1)
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
        builder.call(prefetch, [pointer, to_read, into_all_caches, data])
        return ir.Constant(I64, 0)

    return types.int64(types.int64), emit


@njit(nogil=True, inline="always")
def fetch_range(start: int, end: int) -> None:
    """`fetch` for all addresses from `start` to before `end`."""
    for address in range(start - start % LINE, end, LINE):
        fetch(address)


@intrinsic
def will_need(context: Any, address: Any, count: Any) -> Any:
    """Have the system read so many bytes from an address, where a page begins, if they are mapped from a file."""

    def emit(_: Any, builder: ir.IRBuilder, __: Any, arguments: list[ir.Value]) -> ir.Value:
        address, count = arguments
        pointer = ir.PointerType(I8)
        kind = ir.FunctionType(I32, [pointer, I64, I32])
        madvise = cgutils.get_or_insert_function(builder.module, kind, "madvise")
        return builder.call(madvise, [builder.inttoptr(address, pointer), count, I32(MADV_WILLNEED)])

    return types.int32(types.int64, types.int64), emit


@compiled
def ask_for_pages(rows: int, width: int, offsets: Any, images: Any, page: int, first: int, last: int) -> None:
    """Have the system read the rows of `images` [first:last] from the disk, all at once, if they are not in memory.

    Rows is the address where they are mapped, width and page are in bytes; offsets [n + 1], images [K] int64.
    """
    for place in range(first, last):
        start, end = rows + offsets[images[place]] * width, rows + offsets[images[place] + 1] * width
        will_need(start - start % page, end - (start - start % page))
