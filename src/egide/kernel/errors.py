"""Every error Égide raises, in one tree. Each tells the person what happened and what to do, in French and English.

EgideError
├── StartupError     a pack, manifest or setting is broken: the platform does not start (file, line, suggestion)
├── BadInput         the request does not have the form the act asks for                       422
├── NotSignedIn      nobody is signed in, or the session has ended                             401
├── NotFound         the thing named does not exist, or not for this person                    404
├── Conflict         it changed meanwhile: look again and repeat                               409
├── TooLarge         more bytes than the act admits                                            413
├── TooMany          more requests than a person makes                                         429
├── Refused          the law does not allow it: every broken article is listed                 403
├── Unavailable      the store or the ledger cannot take the act now; nothing was done          503
├── Uncertain        the store went away while it committed: nobody knows yet                  503
└── Failed           the program itself is at fault (a bug, a plug-in); nothing was done        500
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egide.kernel.guard import Decision


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence for people, French first."""

    fr: str
    en: str


class EgideError(Exception):
    """Base of all errors. `what` says what happened, `do` what to do about it."""

    code = "error"
    status = 500

    def __init__(self, what: Text, do: Text | None = None) -> None:
        super().__init__(what.en)
        self.what = what
        self.do = do


class StartupError(EgideError):
    """Something the platform is built from is broken; it names file, line and what was probably meant."""

    code = "startup"

    def __init__(
        self,
        what: Text,
        do: Text | None = None,
        *,
        file: str = "",
        line: int | None = None,
        suggestion: str | None = None,
    ) -> None:
        super().__init__(what, do)
        self.file = file
        self.line = line
        self.suggestion = suggestion

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line is not None else (f"{self.file}: " if self.file else "")
        hint = f" Did you mean “{self.suggestion}”?" if self.suggestion else ""
        return f"{place}{self.what.en}{hint}"


class BadInput(EgideError):
    """The request does not have the form the act asks for."""

    code = "invalid"
    status = 422


class NotSignedIn(EgideError):
    """Nobody is signed in, or the session has ended."""

    code = "signed-out"
    status = 401


class NotFound(EgideError):
    """The thing named does not exist, or not for this person."""

    code = "not-found"
    status = 404


class Conflict(EgideError):
    """It changed meanwhile: look again and repeat."""

    code = "conflict"
    status = 409


class TooLarge(EgideError):
    """More bytes than the act admits."""

    code = "too-large"
    status = 413


class TooMany(EgideError):
    """More requests than a person makes."""

    code = "too-many"
    status = 429


class Unavailable(EgideError):
    """The store or the ledger cannot take the act now; nothing was done."""

    code = "unavailable"
    status = 503


class Uncertain(EgideError):
    """The store went away during the commit and did not come back: whether the act was done is not known."""

    code = "uncertain"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            Text(
                "La base de données s’est arrêtée pendant l’enregistrement : on ne sait pas si l’acte a été fait.",
                "The database stopped while recording: it is not known whether the act was done.",
            ),
            Text(
                "Dès que la plateforme répond, regardez s’il est fait avant de recommencer.",
                "Once the platform answers again, look whether it is done before you repeat it.",
            ),
        )


class Failed(EgideError):
    """The program itself is at fault: a bug of ours, or a plug-in's. Nothing was done."""

    code = "failed"
    status = 500

    def __init__(self) -> None:
        super().__init__(
            Text(
                "L’acte a échoué par une faute du programme : rien n’a été fait.",
                "The act failed by a fault of the program: nothing was done.",
            ),
            Text(
                "Signalez-le à votre administrateur ; le journal technique dit où.",
                "Tell your administrator; the technical log says where.",
            ),
        )


class Refused(EgideError):
    """The law does not allow the act. `decision` lists every broken article; `receipt` is the refusal's ledger place."""

    code = "refused"
    status = 403

    def __init__(self, decision: Decision, receipt: tuple[str, int] | None = None) -> None:
        super().__init__(
            Text("L’acte n’a pas été accompli : la loi s’y oppose.", "The act was not done: the law forbids it.")
        )
        self.decision = decision
        self.receipt = receipt
