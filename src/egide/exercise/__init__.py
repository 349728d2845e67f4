"""The outside world of demos, tests and benchmarks: aircraft that speak public protocols to public ports.

It knows nothing of the platform: it imports ``egide.protocols`` and libraries, never a capability or the kernel.
"""
