"""`egide bench <capability>`: figures of this machine, each beside a peer or a limit measured in the same run.

Why ratios: machines differ and are shared; how many times better than a peer on the same machine travels. A row is
`{name, value, unit, better, target, peer, peer_value, ratio}`; a ratio above 1 is better than the peer. Peers under other
licences run as processes of their own (`peers/`), and where one is not installed, Égide's own figure still stands.
"""

from __future__ import annotations

from pathlib import Path


def run(capability: str, *, quick: bool, json_file: Path | None) -> int:
    """Measures a capability (table.NAMES), prints the table, writes the rows; the exit status.

    0: measured (whether or not a target is met: figures inform, tests judge); 1: a measure failed; 2: unknown capability.
    """
    from egide.bench.table import play

    return play(capability, quick=quick, json_file=json_file)
