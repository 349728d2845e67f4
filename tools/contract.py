"""Compiles the consortium's contract: ABI, bytecode and selectors as one JSON file, committed: nothing compiles while Égide runs.

`python tools/contract.py` writes it, `python tools/contract.py check` says whether it is what the source gives.
Needs vyper (requirements-contract.lock), which comes with the tests.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

LEDGER = Path(__file__).parents[1] / "src" / "egide" / "border" / "ledger"
SOURCE, COMPILED = LEDGER / "consortium.vy", LEDGER / "consortium.json"


def compiled(source: str) -> dict[str, Any]:
    """What the contract's JSON holds: compiler, digest of the source, ABI, creation code, selectors by signature."""
    import vyper  # noqa: PLC0415 — a package of the tests; the rest of this file is read without it
    from vyper.compiler import compile_code  # noqa: PLC0415 — idem

    made = compile_code(source, output_formats=["abi", "bytecode", "method_identifiers"])
    return {
        "compiler": f"vyper {vyper.__version__}",
        "source_sha256": sha256(source.encode()).hexdigest(),
        "abi": made["abi"],
        "bytecode": made["bytecode"],
        "selectors": made["method_identifiers"],
    }


def text(contract: dict[str, Any]) -> str:
    """The file's text, the same for the same contract."""
    return json.dumps(contract, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """No argument: writes. `check`: exit 1 where the file is not what the source gives."""
    new = text(compiled(SOURCE.read_text("utf-8")))
    if arguments == ["check"]:
        same = COMPILED.exists() and COMPILED.read_text("utf-8") == new
        print("contract: as its source" if same else "contract: run python tools/contract.py")
        return 0 if same else 1
    COMPILED.write_text(new, "utf-8")
    print(f"contract: {COMPILED.name}, {len(new)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
