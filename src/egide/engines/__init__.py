"""What stands behind the kernel's protocols, chosen by the settings; app.py alone knows which (design §3).

Each engine is imported only where a setting asks for it: an embedded installation needs none of their packages.
"""
