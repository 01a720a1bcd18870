"""A guest that makes HTTP requests through `wasi:http`. What it is asked: method, authority, path and body."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import outgoing_handler, types
from wit_world.imports.streams import StreamError_Closed

METHODS = {"GET": types.Method_Get(), "HEAD": types.Method_Head(), "POST": types.Method_Post()}


def read_all(body):
    data = bytearray()
    with body.stream() as stream:
        while True:
            try:
                data += stream.blocking_read(4096)
            except Err as end:
                if isinstance(end.value, StreamError_Closed):
                    return data.decode()
                raise


def unwrap(result):
    if isinstance(result, Err):
        raise result
    return result.value


def called(method, authority, path, body=None):
    headers = types.Fields()
    headers.append("X-Mine", b"a b")
    refused = 0
    for name in ("Host", "X Mine"):
        try:
            headers.append(name, b"a b")
        except Err:
            refused += 1
    request = types.OutgoingRequest(headers)
    request.set_method(METHODS.get(method) or types.Method_Other(method))
    request.set_scheme(types.Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query(path)
    outgoing = request.body()
    future = outgoing_handler.handle(request, None)
    if body is not None:
        data = body.encode()
        with outgoing.write() as stream:
            for at in range(0, len(data), 4096):
                stream.blocking_write_and_flush(data[at : at + 4096])
    types.OutgoingBody.finish(outgoing, None)
    with future.subscribe() as pollable:
        pollable.block()
    response = unwrap(unwrap(future.get()))
    twice = " ".join(value.decode() for value in response.headers().get("x-twice"))
    return f"{response.status()} refused {refused} {twice}\n{read_all(response.consume())}"


class Probe(exports.Probe):
    def look(self, what):
        try:
            return called(*what.split(" ", 3))
        except Err as error:
            return type(error.value).__name__
