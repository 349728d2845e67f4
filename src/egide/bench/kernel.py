from collections.abc import Callable

from egide.bench.measure import Bench

MEASURES: tuple[Callable[[Bench], None], ...] = ()
