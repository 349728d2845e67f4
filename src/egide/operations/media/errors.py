"""What can go wrong at a video source, said in one plain sentence with what to do, in French and in English.

Why one table: the same sentence is read on the control room's card, in the probe's answer and in the recording's notice;
an officer must never meet a library's message.  `SourceError` is a `ValueError` because a source is outside input; the
capability turns it into a `Text` for the page.
"""

from __future__ import annotations

from typing import Final

_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "address": (
        "Cette adresse n'est pas celle d'une source vidéo. Écrivez un chemin de fichier, ou udp://, tcp://, rtsp://, srt:// ou rtmp://.",
        "This is not the address of a video source. Give a file path, or udp://, tcp://, rtsp://, srt:// or rtmp://.",
    ),
    "file": (
        "Le fichier vidéo est introuvable ou illisible. Vérifiez le chemin et les droits de lecture.",
        "The video file is missing or cannot be read. Check the path and the read permission.",
    ),
    "port": (
        "Le port {port} ne peut pas être ouvert en réception. Choisissez un port libre de cette machine.",
        "Port {port} cannot be opened for reception. Choose a free port of this machine.",
    ),
    "unreachable": (
        "La source ne répond pas. Vérifiez que la caméra est allumée et que le réseau y mène.",
        "The source does not answer. Check that the camera is on and that the network reaches it.",
    ),
    "refused": (
        "La source refuse l'accès. Vérifiez l'adresse, l'identifiant et le mot de passe de la caméra.",
        "The source refuses access. Check the camera's address, user name and password.",
    ),
    "passphrase": (
        "La phrase de passe SRT n'est pas valable. Donnez-en une de 10 à 79 caractères, la même qu'à l'émetteur.",
        "The SRT pass phrase is not valid. Give one of 10 to 79 characters, the same as at the sender.",
    ),
    "ffmpeg": (
        "Il faut le programme ffmpeg (avec SRT et RTMP) pour cette source, et il n'est pas là. Installez-le : apt install ffmpeg.",
        "This source needs the program ffmpeg (with SRT and RTMP), and it is not there. Install it: apt install ffmpeg.",
    ),
    "onvif": (
        "La caméra répond, mais pas comme une caméra ONVIF. Vérifiez le port, et qu'ONVIF est activé dans ses réglages.",
        "The camera answers, but not as an ONVIF camera does. Check the port, and that ONVIF is turned on in its settings.",
    ),
    "no_move": (
        "Cette caméra ne se tourne pas à distance. Choisissez un flux (profil) qui a la commande PTZ.",
        "This camera is not turned from afar. Choose a stream (profile) that has PTZ control.",
    ),
    "interface": (
        "Cette adresse n'est celle d'aucune interface réseau de cette machine. Donnez l'adresse IPv4 de l'une d'elles.",
        "This address is that of no network interface of this machine. Give the IPv4 address of one of them.",
    ),
    "path": (
        "La caméra répond, mais ne connaît pas ce chemin. Vérifiez la fin de l'adresse dans la notice de la caméra.",
        "The camera answers but does not know this path. Check the end of the address in the camera's manual.",
    ),
    "transport": (
        "La caméra n'accepte pas d'envoyer la vidéo par TCP. Activez « RTSP sur TCP » (interleaved) dans ses réglages.",
        "The camera does not accept to send video over TCP. Turn “RTSP over TCP” (interleaved) on in its settings.",
    ),
    "silent": (
        "Rien n'est reçu de la source. Vérifiez qu'elle émet bien vers cette adresse.",
        "Nothing is received from the source. Check that it is sending to this address.",
    ),
    "lost": (
        "La liaison avec la source est coupée. Elle est reprise automatiquement dès que la source revient.",
        "The link to the source is lost. It resumes by itself as soon as the source is back.",
    ),
    "no_video": (
        "Aucune image H.264 n'a été trouvée dans cette source. Vérifiez que c'est bien un flux vidéo, et son réglage.",
        "No H.264 picture was found in this source. Check that it is a video stream, and its settings.",
    ),
    "codec": (
        "La vidéo est en {codec}, que les terminaux ne lisent pas tous. Réglez la caméra sur H.264 (AVC).",
        "The video is in {codec}, which not every terminal can read. Set the camera to H.264 (AVC).",
    ),
    "no_key": (
        "La source n'envoie pas d'image complète. Réglez la caméra sur une image clé (IDR) toutes les deux secondes au plus.",
        "The source sends no complete picture. Set the camera to one key frame (IDR) every two seconds at most.",
    ),
    "truncated": (
        "La vidéo est incomplète ou abîmée : elle s'arrête avant une image lisible. Demandez une nouvelle copie.",
        "The video is incomplete or damaged: it stops before any readable picture. Ask for a new copy.",
    ),
    "hostile": (
        "La source envoie des données qui ne respectent pas son format. Vérifiez l'émetteur ; la source est mise à l'écart.",
        "The source sends data that break its own format. Check the sender; the source is set aside.",
    ),
    "too_large": (
        "La source envoie une image démesurée (plus de 8 Mio). Baissez la définition ou le débit de la caméra.",
        "The source sends an oversized picture (over 8 MiB). Lower the camera's resolution or bit rate.",
    ),
    "encrypted": (
        "Le flux est brouillé et n'est pas lisible. Désactivez-le à la caméra, ou chiffrez la liaison par le réseau.",
        "The stream is scrambled and cannot be read. Turn the camera's scrambling off, or use a link encrypted by the network.",
    ),
    "audio": (
        "La source contient du son, et la captation du son est interdite ici. Coupez le microphone à la caméra, puis relancez.",
        "The source carries sound, and capturing sound is forbidden here. Turn the camera's microphone off, then start again.",
    ),
    "internal": (
        "La réception s'est arrêtée sur une erreur d'Égide. Relancez la source ; si cela revient, signalez-le.",
        "Reception stopped on an error of Égide's own. Start the source again; if it comes back, report it.",
    ),
}

_FINAL: Final = frozenset({"address", "file", "codec", "encrypted", "audio", "internal", "passphrase", "ffmpeg"})
"""Codes that no retry can cure: somebody must change something first."""


class SourceError(ValueError):
    """A video source cannot be used, or no longer.

    `code` is stable (see the table above), `fr` and `en` each say what happened and what to do in one line, and
    `final` says that trying again by itself is pointless.
    """

    def __init__(self, code: str, fr: str, en: str) -> None:
        super().__init__(en)
        self.code = code
        self.fr = fr
        self.en = en

    @property
    def final(self) -> bool:
        """True when a retry cannot help."""
        return self.code in _FINAL

    @property
    def text(self) -> tuple[str, str]:
        """(French, English)."""
        return self.fr, self.en


def source_error(code: str, **values: object) -> SourceError:
    """The error `code` with its two sentences; `values` fill the sentence's blanks."""
    fr, en = _SENTENCES[code]
    return SourceError(code, fr.format(**values), en.format(**values))
