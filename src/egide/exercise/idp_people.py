"""The residents of the exercise's identity provider: a dozen people who do not exist, and what may go wrong when they sign in."""

from __future__ import annotations

from typing import NamedTuple

CLIENT, SHARED = "egide-exercise", "everything-here-is-invented"  # the preset `development` has the same
PORT, WALLET_PORT = 8640, 8641
LOCAL = ("127.0.0.1", "localhost", "::1")  # hosts that it speaks with


class Resident(NamedTuple):
    """Somebody invented. An empty claim is not told at all."""

    id: str
    given_name: str
    family_name: str
    birthdate: str
    email: str

    def claims(self) -> dict[str, str]:
        """What userinfo tells of them (OIDC Core §5.1)."""
        told = {name: value for name, value in self._asdict().items() if value and name != "id"}
        return told | {"sub": f"exercise-{self.id}"}


RESIDENTS = (
    Resident("alix", "Alix", "Marchand", "1990-04-12", "alix.marchand@example.org"),
    Resident("jean", "Jean Émile", "Lefèvre", "1958-11-30", "jean.lefevre@example.org"),
    Resident("nour", "Nour", "Ben Salah", "2001-02-09", "nour@example.org"),
    Resident("maelys", "Maëlys", "O’Brien-Nguyễn", "1996-07-21", "maelys@example.org"),
    Resident("ines", "Inês", "da Conceição", "1984-00-00", "ines@example.org"),  # day and month not known
    Resident("bo", "Bo", "Å", "1979-01-01", "bo@example.org"),
    Resident("sow", "", "Sow", "1969-05-05", "sow@example.org"),  # one name alone
    Resident("mina", "Mina", "Petit", "2010-10-10", ""),  # a minor, without an e-mail address
    Resident("odile", "Odile Marie Antoinette Joséphine", "de La Tour du Pin-Montauban", "1932-03-03", "odile@example.org"),
    Resident("li", "丽", "王", "1988-08-08", "li@example.org"),
    Resident("yusuf", "Yusuf", "يوسف", "1993-12-24", "yusuf@example.org"),  # right to left
    Resident("rachel", "Rachel", "Cohen", "1975-06-15", "rachel@example.org"),
)  # fmt: skip

LEVELS = ("eidas1", "eidas2", "eidas3")

FAILURES: dict[str, tuple[str, str]] = {
    "": ("Rien : tout se passe bien", "Nothing: all goes well"),
    "no-acr": ("Aucun niveau (acr) dans le jeton", "No level (acr) in the token"),
    "lower-acr": ("Un niveau plus bas que demandé", "A lower level than asked"),
    "unknown-acr": ("Un niveau que personne ne connaît", "A level that nobody knows"),
    "wrong-nonce": ("Un jeton qui répond à une autre demande", "A token that answers another request"),
    "no-nonce": ("Un jeton sans nonce", "A token without a nonce"),
    "expired": ("Un jeton expiré", "An expired token"),
    "future": ("Une horloge qui avance d’une heure", "A clock that is an hour ahead"),
    "wrong-audience": ("Un jeton pour un autre service", "A token for another service"),
    "more-audiences": ("Un jeton pour ce service et un autre", "A token for this service and another"),
    "wrong-issuer": ("Un jeton d’un autre fournisseur", "Another provider’s token"),
    "other-key": ("Un jeton signé par une autre clé", "A token signed with another key"),
    "unsigned": ("Un jeton sans signature (« none »)", "A token without a signature (“none”)"),
    "confused": ("Un jeton signé HS256 par la clé publique", "A token signed HS256 with the public key"),
    "encrypted": ("Des jetons chiffrés", "Encrypted tokens"),
    "other-token": ("Un jeton d’accès qui n’est pas le bon", "An access token that is not the right one"),
    "other-person": ("Les données de quelqu’un d’autre", "Somebody else’s data"),
    "plain-userinfo": ("Des données non signées (JSON)", "Unsigned data (JSON)"),
    "huge": ("Une réponse démesurée", "An enormous answer"),
    "garbage": ("Une réponse qui n’en est pas une", "An answer that is none"),
    "slow": ("Une réponse qui tarde", "An answer that is late"),
    "access_denied": ("La personne refuse", "The person says no"),
    "temporarily_unavailable": ("Indisponible pour le moment", "Unavailable at the moment"),
}
