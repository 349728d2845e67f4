"""Peer: taky, a TAK server in Python, as it is published; TLS with client certificates, nothing kept on disk but its socket.

python -m egide.bench.peers.taky PORT FOLDER      serves until told to end; FOLDER holds server.pem and clients.pem
"""

from __future__ import annotations

import configparser
import sys
from importlib.util import find_spec
from pathlib import Path

from egide.bench.measure import ABSENT


def main() -> None:
    """Writes its settings, then is taky."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    if find_spec("taky") is None:
        print(f'{{"{ABSENT}": "taky"}}')
        return
    settings = configparser.ConfigParser()
    settings["taky"] = {"hostname": "localhost", "bind_ip": "127.0.0.1", "root_dir": str(folder)}
    settings["cot_server"] = {"port": str(port)}
    settings["dp_server"] = {"upload_path": str(folder)}
    settings["ssl"] = {
        "enabled": "true", "client_cert_required": "true", "ca": str(folder / "clients.pem"), "cert": str(folder / "server.pem"),
        "key": str(folder / "server.pem"), "key_pw": "", "cert_db": str(folder / "cert-db.txt"),
    }  # fmt: skip
    file = folder / "taky.conf"
    with file.open("w", encoding="utf-8") as out:
        settings.write(out)
    from taky.cot.__main__ import main as serve

    sys.argv = ["taky", "-l", "error", "-c", str(file)]
    serve()


if __name__ == "__main__":
    main()
