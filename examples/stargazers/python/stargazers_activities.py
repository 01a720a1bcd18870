"""Activities of the stargazers example in Python: fetch a page, publish a report, over `wasi:http` alone."""

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import outgoing_handler, streams, types
from wit_world.imports.model import Page
from wit_world.imports.types import Method, Method_Get, Method_Put, Scheme_Http

_CHUNK = 4096


class PagesInPython(exports.PagesInPython):
    """Implements the interface `demo:stargazers/pages-in-python`."""

    def fetch(self, server: str, repository: str, number: int) -> Page:
        """The names stand one on a line, after a line with the number of pages."""
        lines = _request(Method_Get(), server, f"/repos/{repository}/stargazers?page={number}").decode().splitlines()
        return Page(lines[1:], int(lines[0]))


class Reports(exports.Reports):
    """Implements the interface `demo:stargazers/reports`."""

    def publish(self, server: str, repository: str, text: str) -> str:
        """Put the report where it belongs."""
        path = f"/reports/{repository}"
        _request(Method_Put(), server, path, text.encode())
        return path


def _request(method: Method, server: str, path: str, content: bytes | None = None) -> bytes:
    """The body of an answer with status 200; `Err` for any other and for whatever happens on the way."""
    try:
        request = types.OutgoingRequest(types.Fields())
        request.set_method(method)
        request.set_scheme(Scheme_Http())
        request.set_authority(server)
        request.set_path_with_query(path)
        body = None if content is None else request.body()
        coming = outgoing_handler.handle(request, None)
        if body is not None and content is not None:
            _write(body, content)
        with coming, _arrived(coming) as response:
            if response.status() != 200:
                raise Err(f"{path}: status {response.status()}")
            return _read(response.consume())
    except Err as error:
        reason = error.value if isinstance(error.value, str) else f"{path}: {type(error.value).__name__}"
        raise Err(reason) from None


def _write(body: types.OutgoingBody, content: bytes) -> None:
    with body.write() as stream:
        for at in range(0, len(content), _CHUNK):
            stream.blocking_write_and_flush(content[at : at + _CHUNK])
    types.OutgoingBody.finish(body, None)


def _arrived(coming: types.FutureIncomingResponse) -> types.IncomingResponse:
    with coming.subscribe() as ready:
        ready.block()
    match coming.get():
        case Ok(Ok(response)):
            return response
        case Ok(Err() as error) | (Err() as error):
            raise error
        case _:
            raise Err("the request is neither answered nor refused")


def _read(body: types.IncomingBody) -> bytes:
    data = bytearray()
    with body, body.stream() as stream:
        while True:
            try:
                data += stream.blocking_read(_CHUNK)
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    return bytes(data)
                raise
