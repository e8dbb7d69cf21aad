"""A deployment in one file: definitions with what they need, and the history that the results backend keeps."""

from dkronpy.backup.lines import BackupError, Summary, read_backup, summary_of
from dkronpy.backup.restore import Differing, restore_backup
from dkronpy.backup.write import encoded, lines_of, write_backup, write_lines

__all__ = [
    "BackupError",
    "Differing",
    "Summary",
    "encoded",
    "lines_of",
    "read_backup",
    "restore_backup",
    "summary_of",
    "write_backup",
    "write_lines",
]
