"""What the exercise's wallet says, how it looks, and what may go wrong in it, in French and English."""

from __future__ import annotations

STYLE = """body{margin:0 auto;max-width:40rem;padding:16px;font:18px/1.5 system-ui,sans-serif;color:#17211d;background:#f4efff;overflow-wrap:anywhere}
strong.loud{display:block;padding:12px;background:#3d1d66;color:#fff}fieldset{border:2px solid #5c6b64;border-radius:6px;margin:16px 0;min-width:0}
label{display:block;padding:8px 0}select,button,input:not([type=radio]){font:inherit;min-height:48px;max-width:100%;width:100%}.quiet{color:#4a4458}
button{width:100%;margin:8px 0;font-weight:700;background:#3d1d66;color:#fff;border:2px solid #3d1d66;border-radius:6px}button.quiet{background:#fff;color:#3d1d66}
:focus-visible{outline:3px solid #3d1d66;outline-offset:3px}"""
WORDS = {
    "loud": ("EXERCICE : tout ici est inventé, personne n’existe.", "EXERCISE: everything here is invented, nobody exists."),
    "title": ("Portefeuille d’exercice", "Exercise wallet"),
    "asks": ("On vous demande votre identité", "You are asked for your identity"),
    "compare": ("Comparez le code : il doit être celui de la page où vous avez commencé. Sinon, refusez.", "Compare the code: it must be the one on the page where you began. If it is not, say no."),
    "what": ("Ce qui serait transmis :", "What would be passed on:"),
    "who": ("Qui présente son identité ?", "Who presents their identity?"),
    "wrong": ("Qu’est-ce qui ne va pas ?", "What goes wrong?"),
    "present": ("Présenter mon identité", "Present my identity"),
    "deny": ("Refuser", "Say no"),
    "done": ("C’est présenté", "It is presented"),
    "elsewhere": ("Revenez à l’écran où vous avez commencé.", "Go back to the screen where you began."),
    "not_taken": ("Ce n’est pas accepté", "It was not accepted"),
    "lost": ("Cette demande n’est pas valable", "This request is not valid"),
    "link": ("Le lien du QR code", "The link of the QR code"),
    "open": ("Ouvrir", "Open"),
}  # fmt: skip
FAILURES: dict[str, tuple[str, str]] = {
    "": ("Rien : tout se passe bien", "Nothing: all goes well"),
    "more": ("Tout est transmis, même le reste", "Everything is passed on, the rest too"),
    "wrong-nonce": ("Une réponse à une autre demande (nonce)", "An answer to another request (nonce)"),
    "wrong-audience": ("Une réponse pour quelqu’un d’autre (aud)", "An answer for somebody else (aud)"),
    "wrong-state": ("Une réponse d’un autre état (state)", "An answer of another state"),
    "expired": ("Une attestation expirée", "An expired credential"),
    "other-key": ("Une attestation présentée avec une autre clé", "A credential presented with another key"),
    "altered": ("Un nom modifié", "An altered name"),
    "untrusted": ("Un émetteur que personne n’a reconnu", "An issuer whom nobody recognised"),
    "other-kind": ("Une attestation d’une autre sorte", "A credential of another kind"),
    "replayed": ("Une présentation qui a déjà servi", "A presentation that was used before"),
    "old": ("Une présentation d’il y a une heure", "A presentation of an hour ago"),
    "unbound": ("Une attestation sans preuve de sa clé", "A credential without proof of its key"),
    "less": ("Seulement une partie de ce qui est demandé", "Only part of what is asked for"),
    "revoked": ("Une attestation révoquée", "A revoked credential"),
    "plain": ("Une réponse non chiffrée", "An answer that is not encrypted"),
    "wrong-encryption": ("Une réponse chiffrée pour une autre clé", "An answer encrypted to another key"),
    "access_denied": ("La personne refuse", "The person says no"),
}
