"""TAK: officers' ATAK, WinTAK and iTAK take Égide for their server; every use becomes an act."""
