"""Reading files of any repository at any version, for programs that read many of them for a long time."""

from labops.reading.reader import FolderPath, MissingPath, Reader, Row, folder_path

__all__ = ["FolderPath", "MissingPath", "Reader", "Row", "folder_path"]
