from egide.bench.measure import Bench
from collections.abc import Callable
MEASURES: tuple[Callable[[Bench], None], ...] = ()
