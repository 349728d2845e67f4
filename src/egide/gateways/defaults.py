"""The text of egide.toml that `egide init` writes: every setting there is, what it is for, and its default, commented out."""

from __future__ import annotations

import msgspec

from egide.kernel.errors import Text
from egide.kernel.settings import Settings

# What each setting is for, as egide.toml says it; the values are the defaults of `Settings`.
ABOUT: dict[str, Text] = {
    "host": Text(
        "Adresse d’écoute ; 0.0.0.0 pour le réseau, avec tls = true",
        "Listening address; 0.0.0.0 for the network, with tls = true",
    ),
    "port": Text("Port d’écoute", "Listening port"),
    "public_name": Text(
        "Le nom que les gens tapent ; les clés d’accès y sont liées, le changer les rend inutilisables",
        "The name people type; passkeys are bound to it, changing it makes them unusable",
    ),
    "tls": Text("HTTPS avec tls/server.pem et tls/server.key", "HTTPS with tls/server.pem and tls/server.key"),
    "jurisdiction": Text("Droit appliqué : un dossier de law/", "Law applied: a folder of law/"),
    "realm": Text(
        "Domaine : police, judicial… un dossier de données chacun", "Realm: police, judicial… one data folder each"
    ),
    "controller": Text(
        "Responsable du traitement, tel que le registre le nomme", "Controller, as the record of processing names it"
    ),
    "service": Text("Service employeur", "Employing service"),
    "demo": Text(
        "Mode démonstration : personnages fictifs, sans clé d’accès",
        "Demonstration mode: fictitious people, no passkey",
    ),
    "department_cap": Text(
        "Caméras en vol à la fois dans le département, tous services réunis (annexe de l’arrêté du 19 avril 2023)",
        "Cameras in the air at once in the department, all services together (annex of the order of 19 April 2023)",
    ),
    "acts_per_s": Text(
        "Actes par seconde qu’une même personne peut demander", "Acts a second that one person may ask for"
    ),
    "rtsp_port": Text(
        "Port de la vidéo RTSP pour ATAK ; 0 : aucune. Plusieurs processus prennent les suivants, un chacun",
        "Port of RTSP video for ATAK; 0: none. Several processes take the following ones, one each",
    ),
    "town": Text("Extrait OpenStreetMap de l’exercice", "OpenStreetMap extract of the exercise"),
    "tak_port": Text("Flux TAK, TLS (8089) ; 0 : éteint", "TAK stream, TLS (8089); 0: off"),
    "tak_marti_port": Text(
        "TAK, HTTPS des appareils enrôlés (8443) ; 0 : éteint", "TAK, HTTPS for enrolled devices (8443); 0: off"
    ),
    "tak_enrol_port": Text("TAK, enrôlement (8446) ; 0 : éteint", "TAK, enrolment (8446); 0: off"),
    "tak_federation_port": Text(
        "TAK, services partenaires (9001) ; 0 : éteint", "TAK, partner services (9001); 0: off"
    ),
    "tak_package_max_mib": Text("TAK, taille d’un fichier partagé, en Mio", "TAK, size of a shared file, in MiB"),
    "store": Text(
        "Base PostgreSQL : postgresql:///egide?host=/run/postgresql ; vide : SQLite dans ce dossier",
        "PostgreSQL database: postgresql:///egide?host=/run/postgresql; empty: SQLite in this folder",
    ),
    "vault": Text(
        "Base PostgreSQL des clés de données, une autre que « store » ; vide : vault/vault.db",
        "PostgreSQL database of the data keys, another than “store”; empty: vault/vault.db",
    ),
    "bus": Text(
        "Événements entre processus : nats://127.0.0.1:4222 ; vide : par la base",
        "Events between processes: nats://127.0.0.1:4222; empty: through the store",
    ),
    "objects": Text(
        "Enregistrements et documents : s3://seau/prefixe ou file:///… ; vide : dans ce dossier",
        "Recordings and documents: s3://bucket/prefix or file:///…; empty: in this folder",
    ),
    "hsm": Text(
        "Module de sécurité : pkcs11:/usr/lib/…/lib.so?token=egide ; son code dans keys/hsm.pin",
        "Hardware security module: pkcs11:/usr/lib/…/lib.so?token=egide; its PIN in keys/hsm.pin",
    ),
    "card_module": Text(
        "Bibliothèque PKCS#11 du lecteur de cartes d’agent branché à cette machine : /usr/lib/…/opensc-pkcs11.so ; vide : pas de signature par carte",
        "PKCS#11 library of the reader of officers’ cards on this machine: /usr/lib/…/opensc-pkcs11.so; empty: no signature by card",
    ),
    "stamps": Text(
        "Adresse de l’autorité d’horodatage (RFC 3161)", "Address of the time-stamping authority (RFC 3161)"
    ),
    "logs": Text(
        "Journaux techniques : json, plain, ou rien (lisibles dans un terminal, JSON ailleurs)",
        "Technical logs: json, plain, or nothing (plain in a terminal, JSON elsewhere)",
    ),
    "witness_every_s": Text("Secondes entre deux demandes aux témoins", "Seconds between requests to the witnesses"),
    "stamp_every_s": Text("Secondes entre deux horodatages", "Seconds between time stamps"),
    "clamav": Text(
        "Analyseur des fichiers envoyés : unix:/run/clamav/clamd.ctl ou tcp:hôte:port ; vide : « non analysé »",
        "Scanner of files that people send: unix:/run/clamav/clamd.ctl or tcp:host:port; empty: “not scanned”",
    ),
    "mail": Text(
        "Relais qui prévient les usagers qu’il y a du nouveau : smtps://relais:465 ; vide : personne n’est prévenu",
        "Relay that tells residents that there is news: smtps://relay:465; empty: nobody is told",
    ),
    "mail_from": Text("Expéditeur de ces messages", "Sender of these messages"),
    "sms": Text(
        "Passerelle qui en prévient aussi par SMS : https://… ; son secret, un en-tête, dans keys/sms.header ; vide : aucune",
        "Gateway that tells them by SMS too: https://…; its secret, a header, in keys/sms.header; empty: none",
    ),
    "sms_body": Text(
        "Corps JSON de sa demande : {to} est le numéro, {text} le message",
        "JSON body of its request: {to} is the number, {text} the message",
    ),
    "sms_country": Text("Indicatif des numéros donnés sans pays", "Prefix of numbers that are given without a country"),
    "fine_payment": Text(
        "Service public où se paient les amendes : https://… ; vide : la page d’un avis dit où payer autrement",
        "Public service where fines are paid: https://…; empty: a notice’s page says where else to pay",
    ),
    "ice": Text(
        "Serveurs STUN et TURN des auditions par vidéo : stun:hôte:3478 turn:hôte:3478 ; vide : même réseau seulement. Secret TURN dans keys/turn.secret",
        "STUN and TURN servers of hearings by video: stun:host:3478 turn:host:3478; empty: the same network only. TURN secret in keys/turn.secret",
    ),
    "record_hearings": Text(
        "Services dont les auditions par vidéo peuvent être enregistrées, avec l’accord des deux : hearing ; vide : aucun",
        "Services whose hearings by video may be recorded, with the agreement of both: hearing; empty: none",
    ),
    "chat_exit": Text(
        "Où mène « Quitter vite » de l’aide par messages : https://… ; vide : un calendrier de la plateforme",
        "Where “Leave quickly” of help by chat leads: https://…; empty: a calendar of the platform",
    ),
    "push": Text(
        "Services de réveil des terminaux, par hôte, séparés par des espaces ; vide : aucun réveil",
        "Push services that may wake terminals, by host, space-separated; empty: none",
    ),
    "identity": Text(
        "Connexion des usagers : franceconnect, franceconnect-plus, proconnect, generic, un fichier .toml ; vide : aucune",
        "Residents’ sign-in: franceconnect, franceconnect-plus, proconnect, generic, a .toml file; empty: none",
    ),
    "identity_issuer": Text(
        "Adresse (« issuer ») du fournisseur d’identité ; vide : celle du préréglage",
        "Address (“issuer”) of the identity provider; empty: the preset’s",
    ),
    "identity_client": Text(
        "Identifiant de client chez lui ; le secret va dans keys/identity-client.key",
        "Client id there; the secret goes into keys/identity-client.key",
    ),
    "wallet": Text(
        "Portefeuilles d’identité acceptés : un fichier .toml (émetteurs, ancres) ; vide : aucun",
        "Identity wallets that are accepted: a .toml file (issuers, anchors); empty: none",
    ),
    "wallet_address": Text(
        "Adresse ou schéma qui ouvre un portefeuille ; vide : celui du fichier",
        "Address or scheme that opens a wallet; empty: the file’s",
    ),
    "consortium": Text(
        "Registre du consortium de la frontière : son fichier genesis.json, ou https://nœud-EVM ; vide : la table des clés d’ici fait foi. Clé du membre : keys/consortium.key",
        "Ledger of the border’s consortium: its file genesis.json, or https://EVM-node; empty: the table of keys here counts. The member’s key: keys/consortium.key",
    ),
    "consortium_listen": Text(
        "Où les autres autorités appellent celle-ci : hôte:port", "Where the other authorities call this one: host:port"
    ),
    "consortium_contract": Text(
        "Sur un nœud EVM : numéro de la chaîne, « : », adresse du contrat",
        "On an EVM node: number of the chain, “:”, address of the contract",
    ),
    "consortium_peers": Text(
        "Les autres autorités : nom = hôte:port ; à laisser en fin de fichier",
        "The other authorities: name = host:port; keep at the end of the file",
    ),
    "backups": Text("Dossier des sauvegardes d’« egide backup »", "Folder of the backups of “egide backup”"),
    "witnesses": Text(
        "Témoins du registre : adresse = clé publique ; à laisser en fin de fichier",
        "Witnesses of the ledger: address = public key; keep at the end of the file",
    ),
    "plugins": Text(
        "Greffons acceptés : nom = empreinte SHA-256 ; à laisser en fin de fichier",
        "Accepted plug-ins: name = SHA-256 fingerprint; keep at the end of the file",
    ),
}


def text() -> str:
    """The text of egide.toml: every setting, commented, with its default and what it is for."""
    parts = [
        "# Réglages d’Égide. Ôtez le # d’une ligne pour la changer.",
        "# Settings of Égide. Remove the # of a line to change it.",
        "",
    ]
    # Tables end a TOML file: what follows one would belong to it.
    for field in sorted(msgspec.structs.fields(Settings), key=_is_table):
        about = ABOUT.get(field.name)
        if about is None:
            continue  # `data` is this very folder
        line = (
            f"[{field.name}]" if _is_table(field) else f"{field.name} = {msgspec.json.encode(field.default).decode()}"
        )
        parts += [f"# {about.fr}", f"# {about.en}", f"# {line}", ""]
    return "\n".join(parts)


def _is_table(field: msgspec.structs.FieldInfo) -> bool:
    return field.default is msgspec.NODEFAULT  # only tables are made anew for each `Settings`
