"""The consortium's ledger: whom to trust and what was said, agreed among authorities; no person is in it, not even as a digest.

One contract (`consortium.vy`), two machines that run it: a chain of our own (`embedded`) and any EVM node (`evm`).
See docs/consortium.md.
"""
