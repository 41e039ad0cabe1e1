"""All that can be found wrong before work starts: `painlib check`."""

from painlib.checks.whole_run import check_run

__all__ = ["check_run"]
