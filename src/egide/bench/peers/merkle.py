"""Peer: pymerkle (GPL-3.0, hence only ever in this process of its own). Leaves per CPU second of its two trees.

python -m egide.bench.peers.merkle COUNT SIZE FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

BATCH = 256  # leaves between two roots, as between two signed checkpoints


def rate(leaves: list[bytes], append: Callable[[list[bytes]], object], root: Callable[[], object]) -> float:
    """Leaves per CPU second, appended in batches with the root after each."""
    before = time.process_time()
    for start in range(0, len(leaves), BATCH):
        append(leaves[start : start + BATCH])
        root()
    return len(leaves) / (time.process_time() - before)


def main() -> None:
    """Prints {"InmemoryTree": …, "SqliteTree": …}."""
    try:
        from pymerkle import InmemoryTree, SqliteTree
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    leaves = [os.urandom(int(sys.argv[2])) for _ in range(int(sys.argv[1]))]
    memory = InmemoryTree(algorithm="sha256")
    found = {
        "InmemoryTree": rate(leaves, lambda batch: [memory.append_entry(leaf) for leaf in batch], memory.get_state)
    }
    with SqliteTree(str(Path(sys.argv[3]) / "pymerkle.db"), algorithm="sha256") as tree:
        found["SqliteTree"] = rate(leaves, lambda batch: tree.append_entries(batch, chunksize=BATCH), tree.get_state)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
