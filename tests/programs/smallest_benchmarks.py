"""Every benchmark of benchmarks/growth.py and startup.py, on its smallest size."""

import growth
import startup

growth.SIZES = {what: sizes[:1] for what, sizes in growth.SIZES.items()}
assert all(row["seconds"] > 0 for rows in growth.measure().values() for row in rows)
assert min(startup._once(None).values()) > 0
