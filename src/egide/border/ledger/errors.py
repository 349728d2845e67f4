"""Why the ledger did not take a call: a word for programs, a sentence for people. Most words are the contract's."""

from __future__ import annotations

from typing import Literal, cast, get_args

from egide.kernel.errors import Conflict, Text

Why = Literal[
    "member",  # who calls is no member, or the member named is one already
    "members",  # too many, or the last one would go
    "early",  # the period since the last call of this kind has not passed
    "again",  # this member has voted so already
    "role",
    "key",  # no point of P-256, or no key at that place
    "owner",  # the key is another member's
    "time",  # a key's time is inside out, or not now
    "root",  # zero says nothing, and the root of one entry is its hash
    "rollback",  # a sequence or size that does not grow
    "shape",  # not exactly the words of a call
    "nonce",  # a call said twice, or out of order
    "signature",
    "full",  # too many calls wait
    "refused",  # the machine gave no word
]
WORDS = frozenset(get_args(Why))

SENTENCES: dict[str, Text] = {
    "member": Text("Seul un membre du consortium peut écrire.", "Only a member of the consortium may write."),
    "members": Text("Le nombre de membres ne le permet pas.", "The number of members does not allow it."),
    "early": Text("Trop tôt après la précédente écriture de ce genre.", "Too soon after the last write of this kind."),
    "again": Text("Ce membre a déjà voté ainsi.", "This member has voted so already."),
    "role": Text("Ce rôle n’existe pas.", "There is no such role."),
    "key": Text(
        "Ce n’est pas une clé P-256, ou elle n’est pas inscrite.", "This is no P-256 key, or it is not listed."
    ),
    "owner": Text("Cette clé est celle d’un autre membre.", "This key is another member’s."),
    "time": Text("La durée de la clé ne convient pas.", "The key’s time does not fit."),
    "root": Text("Il faut la racine d’au moins deux entrées.", "It takes the root of at least two entries."),
    "rollback": Text("Le numéro doit augmenter.", "The number has to grow."),
    "shape": Text("Ce n’est pas un appel du contrat.", "This is no call of the contract."),
    "nonce": Text(
        "Cet appel a déjà été fait, ou n’est pas le suivant.", "This call was made already, or is not the next."
    ),
    "signature": Text("La signature ne va pas avec ce membre.", "The signature does not go with this member."),
    "full": Text("Trop d’appels attendent.", "Too many calls are waiting."),
    "refused": Text("Le registre n’a pas pris cet appel.", "The ledger did not take this call."),
}


class LedgerRefused(Conflict):
    """The ledger refuses a call and nothing was written; `why` is what callers look at."""

    def __init__(self, why: str) -> None:
        self.why = cast("Why", why if why in WORDS else "refused")
        super().__init__(SENTENCES[self.why])
