"""What was compiled is kept, until any file that it is made of changes."""

import importlib.util
from pathlib import Path
from types import ModuleType

from indexer.index.compiled import compiled


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("twice", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_kernel_is_compiled_anew_where_other_sources_changed(tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text("def twice(number):\n    return 2 * number\n")
    hits = []
    for sources in ("one", "one", "other"):
        kernel = compiled(load(path).twice, sources=sources)
        assert kernel(21) == 42
        hits.append(sum(kernel.stats.cache_hits.values()))
    assert hits == [0, 1, 0]
