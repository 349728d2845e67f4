"""What is sealed of TAK, opened: nothing where it was erased, an error where it was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.errors import EgideError
from egide.operations.tak import tables

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


def opened(kernel: Kernel, owner: str, sealed: bytes, bound: str) -> bytes | None:
    """The content; None where its key was destroyed. Raises the vault's error where it is not what was sealed."""
    try:
        return kernel.vault.open_(owner, tables.PURPOSE, bytes(sealed), bound.encode())
    except EgideError as error:
        if error.code != "erased":
            raise
        return None
