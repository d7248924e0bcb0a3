"""A TOML file read into frozen dataclasses: their fields are the keys, and whatever else stands there is refused."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from model.errors import BadRecipe

Table = TypeVar("Table")


def read_toml(path: Path, kind: type[Table]) -> Table:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRecipe(f"{path} cannot be read: {error}") from error
    return read_table(kind, values, where=f"{path}:")


def read_table(kind: type[Table], values: object, *, where: str) -> Table:
    """`where` is told in errors, in front of the key that is wrong."""
    if not isinstance(values, Mapping):
        raise BadRecipe(f"{where} must be a table, not {values!r}")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := [key for key in values if key not in known]:
        raise BadRecipe(f"{where} unknown key {unknown[0]!r}; known are {', '.join(known)}")
    needed = [name for name, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise BadRecipe(f"{where} {missing[0]!r} is missing")
    kinds = get_type_hints(kind)
    given = {key: _value(kinds[key], value, where=f"{where} {key}") for key, value in values.items()}
    try:
        return kind(**given)
    except ValueError as error:
        raise BadRecipe(f"{where} {error}") from error


def _value(kind: Any, value: object, *, where: str) -> object:  # noqa: ANN401  an annotation, of any form
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (UnionType, Union):
        return _one_of([option for option in arguments if option is not NoneType], value, where=where)
    if origin is tuple:
        return _items(arguments, value, where=where)
    if origin is Literal:
        return _named(list(arguments), value, where=where)
    if is_dataclass(kind):
        return read_table(kind, value, where=where)  # type: ignore[arg-type]
    if issubclass(kind, StrEnum):
        return kind(_named([str(member) for member in kind], value, where=where))
    return _plain(kind, value, where=where)


def _one_of(options: list[Any], value: object, *, where: str) -> object:
    """Of several tables the one whose first `kind` is named; without a `kind`, the first."""
    if len(options) == 1:
        return _value(options[0], value, where=where)
    if not isinstance(value, Mapping):
        raise BadRecipe(f"{where} must be a table, not {value!r}")
    kinds = {get_args(get_type_hints(option)["kind"])[0]: option for option in options}
    chosen = _named(list(kinds), value.get("kind", next(iter(kinds))), where=f"{where} kind")
    return read_table(kinds[chosen], value, where=where)


def _items(kinds: tuple[Any, ...], value: object, *, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise BadRecipe(f"{where} must be a list, not {value!r}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(value) != len(kinds):
        raise BadRecipe(f"{where} must have {len(kinds)} items, not {len(value)}")
    return tuple(
        _value(kind, item, where=f"{where}[{number}]")
        for number, (kind, item) in enumerate(zip(kinds, value, strict=True), start=1)
    )


def _named(allowed: list[Any], value: object, *, where: str) -> Any:  # noqa: ANN401
    if value not in allowed:
        raise BadRecipe(f"{where} is {value!r}; allowed are {', '.join(map(str, allowed))}")
    return value


def _plain(kind: type, value: object, *, where: str) -> object:
    written: type = str if kind is Path else kind
    fits = isinstance(value, (int, float) if written is float else written)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise BadRecipe(f"{where} must be of type {written.__name__}, not {value!r}")
    return kind(value)
