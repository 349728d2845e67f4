"""What is asked of a border and never done: looking for one face among many. There is an act to ask it, and none that does it.

Whoever asks is refused by article, with the way that is lawful, and the refusal is in the ledger. The act takes no input: there
is nothing that could be searched, and nothing to search with.

Sources: AI Act 5(1)(h), 26(10); EDPB Opinion 11/2024, scenarios 3 and 4.
"""

from __future__ import annotations

from egide.border import tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act


class NoInput(Input):
    """Nothing to say."""


def _facts(_ctx: Ctx, _given: NoInput) -> Facts:
    """What such a search would be."""
    return {
        "one_to_many": True, "live_remote_identification": True, "gallery_searched": True, "face_used": True,
        "identity_check_required": False, "comparison_kept": True,
    }  # fmt: skip


@act(
    "border.search.refuse", verb="consult", activity=tables.FACILITATION, roles=["anyone"], duty=True, input=NoInput,
    groups=["face-control"], gather=_facts, fr="Demander une recherche 1:N : refusée, article par article",
    en="Ask for a search among many: refused, article by article",
)  # fmt: skip
def refuse(_ctx: Ctx, _given: NoInput) -> Effect:
    """Never reached: the law refuses; and if it did not, nothing is what this does."""
    return Effect()


ACTS: tuple[Act, ...] = (refuse,)
# There is no act of these names, and no code that could be one.
NEVER = dict.fromkeys(("border.identify", "border.search", "border.watchlist", "border.gallery"), refuse.name)
