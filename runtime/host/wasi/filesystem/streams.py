"""Files as streams: read from an offset on, written from an offset on or at their end."""

from __future__ import annotations

from obelisk.runtime.host.wasi.filesystem.files import Descriptor
from obelisk.runtime.host.wasi.filesystem.open_files import code_of
from obelisk.runtime.host.wasi.io.asides import Held, pace
from obelisk.runtime.host.wasi.io.pollables import READY, Pollable
from obelisk.runtime.host.wasi.io.streams import CHUNK, InputStream, ReadyOutput, StreamEnd, StreamError
from obelisk.runtime.host.wasi.io.table import Closeable


class _FileStream(Closeable):
    """Holds the file that it reads or writes."""

    def __init__(self, file: Descriptor) -> None:
        file.hold()
        self._file = file

    @property
    def is_slow(self) -> bool:
        """See `InputStream`."""
        return self._file.is_slow

    @property
    def uses(self) -> Held:
        """See `InputStream`."""
        return self._file

    def close(self) -> None:
        """See `Closeable`."""
        self._file.close()


class FileInput(_FileStream, InputStream):
    """A file that is read from an offset on."""

    def __init__(self, file: Descriptor, offset: int) -> None:
        super().__init__(file)
        self._offset = offset

    def pollable(self) -> Pollable:
        """There is always something to tell."""
        return READY

    def read(self, limit: int) -> bytes:
        """See `InputStream`."""
        try:
            data = pace.run(self._file.device, lambda: self._file.read_at(min(limit, CHUNK), self._offset))
        except OSError as error:
            raise StreamEnd(StreamError(str(error), file_code=code_of(error))) from None
        if not data:
            raise StreamEnd()
        self._offset += len(data)
        return data


class FileOutput(_FileStream, ReadyOutput):
    """A file that is written from an offset on; at its end with None."""

    def __init__(self, file: Descriptor, offset: int | None) -> None:
        super().__init__(file)
        self._offset = offset

    def write(self, data: bytes) -> None:
        """See `OutputStream`."""
        try:
            pace.run(self._file.device, lambda: self._write(data))
        except OSError as error:
            raise StreamEnd(StreamError(str(error), file_code=code_of(error))) from None

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            count = self._file.write_at(data[written:], self._offset)
            written += count
            self._offset = None if self._offset is None else self._offset + count
