"""Why something from a client was not passed on, as the person behind it reads it. Keys are counted, never shown."""

from __future__ import annotations

from egide.kernel.errors import Text

REFUSALS: dict[str, Text] = {
    "malformed": Text("Message illisible : il n’a pas été transmis.", "Unreadable message: it was not passed on."),
    "too-long": Text(
        "Message de plus de 1 Mio : il n’a pas été transmis. Envoyez le fichier comme paquet de données.",
        "Message of more than 1 MiB: it was not passed on. Send the file as a data package.",
    ),
    "dtd": Text(
        "Message avec un type de document : refusé, il n’a pas été transmis.",
        "Message with a document type: refused, it was not passed on.",
    ),
    "encoding": Text("Message dans un autre codage qu’UTF-8 : refusé.", "Message in another encoding than UTF-8: refused."),
    "missing": Text(
        "Message incomplet (uid, type ou point) : il n’a pas été transmis.",
        "Incomplete message (uid, type or point): it was not passed on.",
    ),
    "number": Text("Position ou nombre incorrect : message refusé.", "Wrong position or number: message refused."),
    "time": Text("Date ou heure incorrecte : message refusé.", "Wrong date or time: message refused."),
    "namespace": Text("Message avec un espace de noms inconnu : refusé.", "Message with an unknown namespace: refused."),
    "protobuf": Text("Message protobuf incorrect : refusé.", "Wrong protobuf message: refused."),
    "frame": Text(
        "Flux incorrect : la connexion est fermée, reconnectez-vous.", "Wrong stream: the connection is closed, connect again."
    ),
    "future": Text(
        "Position datée dans le futur : refusée. Réglez l’heure de votre appareil.",
        "Position dated in the future: refused. Set your device’s clock.",
    ),
    "jump": Text(
        "Saut de position impossible : la position est refusée tant que les suivantes ne la confirment pas.",
        "Impossible jump of position: it is refused until the next ones confirm it.",
    ),
    "spoofed": Text(
        "Identifiant d’un autre appareil : message refusé.", "Identifier of another device: message refused."
    ),
    "off-duty": Text(
        "Vous n’êtes pas en service : votre position n’est ni transmise ni gardée. Prenez votre service dans Égide.",
        "You are not on duty: your position is neither passed on nor kept. Go on duty in Égide.",
    ),
    "flood": Text(
        "Trop de messages en peu de temps : votre appareil est ralenti.",
        "Too many messages in a short time: your device is slowed down.",
    ),
}  # fmt: skip
CUTS: dict[str, Text] = {
    "slow": Text(
        "La liaison est trop lente : la connexion est fermée.", "The link is too slow: the connection is closed."
    ),
    "broken": Text(
        "L’appareil ne parle pas le protocole TAK : la connexion est fermée.",
        "The device does not speak the TAK protocol: the connection is closed.",
    ),
    "revoked": Text(
        "Cet appareil n’est plus autorisé : la connexion est fermée.", "This device is no longer enrolled: the connection is closed."
    ),
    "refused": Text(
        "La connexion est coupée : la loi ne la permet pas.", "The connection is cut: the law does not allow it."
    ),
}  # fmt: skip
