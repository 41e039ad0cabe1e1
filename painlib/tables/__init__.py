"""Tables on disk: their schemas, and files that appear whole or not at all."""

from painlib.tables.files import (
    is_disk_full,
    read_fingerprint,
    read_table,
    write_csv,
    write_table,
    write_whole,
)
from painlib.tables.schemas import SCHEMAS, check_table

__all__ = [
    "SCHEMAS",
    "check_table",
    "is_disk_full",
    "read_fingerprint",
    "read_table",
    "write_csv",
    "write_table",
    "write_whole",
]
