"""Peer: klvdata. Decodes the packets of a file, every value of every item; prints packets per CPU second.

python -m egide.bench.peers.klv FILE
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Prints {"per_s": …, "packets": …}."""
    try:
        import klvdata
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    data = Path(sys.argv[1]).read_bytes()
    count, before = 0, time.process_time()
    for packet in klvdata.StreamParser(data):
        packet.MetadataList()
        count += 1
    print(json.dumps({"per_s": count / (time.process_time() - before), "packets": count}))


if __name__ == "__main__":
    main()
