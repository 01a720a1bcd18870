"""A guest that makes HTTP requests through `wasi:http`, without a library."""

import os

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.client import Answer
from wit_world.imports import outgoing_handler, poll, streams, types

MS = 1_000_000
METHODS = {"GET": types.Method_Get(), "HEAD": types.Method_Head(), "POST": types.Method_Post()}
SCHEMES = {"http": types.Scheme_Http(), "https": types.Scheme_Https()}


def name_of(code):
    return type(code).__name__.removeprefix("ErrorCode_").removeprefix("HeaderError_")


def failed(error):
    """The err of our own result, for whatever of WASI said no."""
    match error.value:
        case None:
            return Err("refused")
        case streams.StreamError_Closed():
            return Err("Closed")
        case streams.StreamError_LastOperationFailed(value=cause):
            code = types.http_error_code(cause)
            return Err("Stream" if code is None else name_of(code))
        case code:
            return Err(name_of(code))


def expanded(text):
    """Text with the variables of the environment filled in, as in a shell."""
    for name, value in os.environ.items():
        text = text.replace(f"${name}", value)
    return text


def begin(call):
    """A request on its way, with the body still to be written when it has one."""
    headers = types.Fields.from_list([(name, expanded(value).encode()) for name, value in call.headers])
    request = types.OutgoingRequest(headers)
    request.set_method(METHODS.get(call.method) or types.Method_Other(call.method))
    request.set_scheme(SCHEMES.get(call.scheme) or types.Scheme_Other(call.scheme))
    request.set_authority(call.authority)
    request.set_path_with_query(expanded(call.path))
    options = types.RequestOptions()
    options.set_first_byte_timeout(call.first_byte_ms * MS)
    options.set_between_bytes_timeout(call.between_bytes_ms * MS)
    body = None if call.body is None else request.body()
    return outgoing_handler.handle(request, options), body


def write(body, data):
    with body.write() as stream:
        for at in range(0, len(data), 4096):
            stream.blocking_write_and_flush(data[at : at + 4096])
    types.OutgoingBody.finish(body, None)


def arrive(future):
    with future.subscribe() as pollable:
        pollable.block()
    answer = future.get()
    return unwrap(unwrap(answer))


def unwrap(result):
    if isinstance(result, Err):
        raise result
    return result.value


def read(body):
    """All of a body, and whether its trailers came."""
    data = bytearray()
    with body.stream() as stream:
        try:
            while True:
                data += stream.blocking_read(1 << 20)
        except Err as error:
            if not isinstance(error.value, streams.StreamError_Closed):
                raise
    with types.IncomingBody.finish(body) as future:
        with future.subscribe() as pollable:
            pollable.block()
        return bytes(data), unwrap(unwrap(future.get())) is not None


def answered(response, body, trailers):
    with response.headers() as fields:
        headers = [(name, value.decode("latin-1")) for name, value in fields.entries()]
    return Answer(response.status(), headers, body, trailers)


class Client(exports.Client):
    """Implements `test:wasi/client`."""

    def fetch(self, call):
        try:
            future, body = begin(call)
            if body is not None:
                write(body, expanded(call.body.decode("latin-1")).encode("latin-1"))
            with future, arrive(future) as response:
                return answered(response, *read(response.consume()))
        except Err as error:
            raise failed(error) from None

    def peek(self, call):
        try:
            future, _ = begin(call)
            with future, arrive(future) as response:
                return answered(response, b"", False)
        except Err as error:
            raise failed(error) from None

    def again(self, call, times):
        return sum(len(self.fetch(call).body) for _ in range(times))

    def pump(self, call, parts):
        try:
            future, body = begin(call)
            with body.write() as stream:
                for part in range(parts):
                    for _ in range(16):
                        stream.blocking_write_and_flush(bytes([part % 256]) * 4096)
            types.OutgoingBody.finish(body, None)
            with future, arrive(future) as response:
                data, _ = read(response.consume())
            return len(data)
        except Err as error:
            raise failed(error) from None

    def fan(self, calls):
        try:
            futures = [begin(call)[0] for call in calls]
            statuses = [0] * len(calls)
            waiting = list(range(len(calls)))
            while waiting:
                pollables = [futures[index].subscribe() for index in waiting]
                ready = {waiting[place] for place in poll.poll(pollables)}
                for pollable in pollables:
                    pollable.__exit__(None, None, None)
                for index in ready:
                    with unwrap(unwrap(futures[index].get())) as response:
                        statuses[index] = response.status()
                waiting = [index for index in waiting if index not in ready]
            return statuses
        except Err as error:
            raise failed(error) from None
