"""The one typed place for wasmtime's C functions and memory layout: raw addresses in, raw addresses out.

wasmtime-py ships the C API as `wasmtime._bindings` without wrappers for what the host needs (asynchronous calls, values
without type objects). Everything private of it is taken here, derived from the bindings, and checked against the layout
that the lifting and lowering code unpacks; another major version of wasmtime is refused at import. The conformance
tests hold this module against the public API.

Two ways to call: *held* functions keep the interpreter lock (they are short and call nothing back), *free* ones give it
up while they run (they execute guest code).
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable
from importlib import metadata
from typing import Any, ClassVar, Final, TypeAlias

from wasmtime import _bindings, _ffi  # pyright: ignore[reportPrivateUsage]

SUPPORTED_MAJOR: Final = "50"
if metadata.version("wasmtime").split(".")[0] != SUPPORTED_MAJOR:
    raise ImportError(f"this host drives wasmtime {SUPPORTED_MAJOR}, found {metadata.version('wasmtime')}")

Address: TypeAlias = int
"""A native address; 0 is null."""

# The bindings type almost nothing; these are the only untyped values, and they end in this module.
bindings: Any = _bindings
ffi: Any = _ffi
_dll: Any = ffi.dll
_held: Any = ctypes.PyDLL("wasmtime", handle=_dll._handle)
_free: Any = ctypes.CDLL("wasmtime", handle=_dll._handle)
Value: Any = bindings.wasmtime_component_val_t

POINTER: Final = ctypes.c_void_p
_CONTINUATION: Final = struct.Struct("=QQQ").pack
CONTINUATION_SIZE: Final = 24
SIZE: Final = ctypes.c_size_t


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = library[name]  # indexing gives a fresh object, so the bindings' own prototypes stay as they are
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


# --- layout ----------------------------------------------------------------------------------------------------------
VAL_SIZE: Final = 32
"""Bytes of one `wasmtime_component_val_t`: a kind byte, padding, and at `PAYLOAD` a union of up to 24 bytes."""
PAYLOAD: Final = 8
NAME_SIZE: Final = 16
"""Bytes of a `wasm_name_t`: size, address."""
FIELD_SIZE: Final = NAME_SIZE + VAL_SIZE
"""Bytes of a record's entry: its name, its value."""
ENTRY_SIZE: Final = 2 * VAL_SIZE
"""Bytes of a map's entry: key, value."""


def _check_layout() -> None:
    union = bindings.wasmtime_component_valunion_t
    variant, result = bindings.wasmtime_component_valvariant_t, bindings.wasmtime_component_valresult_t
    offsets: list[tuple[Any, int]] = [
        (Value.kind, 0),
        (Value.of, PAYLOAD),
        (bindings.wasm_byte_vec_t.size, 0),
        (bindings.wasm_byte_vec_t.data, 8),
        (variant.discriminant, 0),
        (variant.val, 16),
        (result.is_ok, 0),
        (result.val, 8),
        (bindings.wasmtime_async_continuation_t.callback, 0),
        (bindings.wasmtime_async_continuation_t.env, 8),
        (bindings.wasmtime_async_continuation_t.finalizer, 16),
        (bindings.wasmtime_component_valrecord_entry_t.val, NAME_SIZE),
        (bindings.wasmtime_component_valmap_entry_t.value, VAL_SIZE),
    ]
    types: dict[str, Any] = dict(union._fields_)
    for name in ("list", "record", "tuple", "flags", "map"):
        vector: Any = types[name]
        offsets += [(vector.size, 0), (vector.data, 8)]
    sizes: list[tuple[Any, int]] = [
        (Value, VAL_SIZE),
        (bindings.wasm_byte_vec_t, NAME_SIZE),
        (bindings.wasmtime_component_valrecord_entry_t, FIELD_SIZE),
        (bindings.wasmtime_component_valmap_entry_t, ENTRY_SIZE),
    ]
    if any(field.offset != at for field, at in offsets) or any(ctypes.sizeof(t) != size for t, size in sizes):
        raise ImportError("the installed wasmtime lays out component values in another way than this host reads them")


_check_layout()


# --- kinds -----------------------------------------------------------------------------------------------------------
def _kind(name: str) -> int:
    return int(getattr(ffi, f"WASMTIME_COMPONENT_{name}").value)


BOOL: Final = _kind("BOOL")
S8: Final = _kind("S8")
U8: Final = _kind("U8")
S16: Final = _kind("S16")
U16: Final = _kind("U16")
S32: Final = _kind("S32")
U32: Final = _kind("U32")
S64: Final = _kind("S64")
U64: Final = _kind("U64")
F32: Final = _kind("F32")
F64: Final = _kind("F64")
CHAR: Final = _kind("CHAR")
STRING: Final = _kind("STRING")
LIST: Final = _kind("LIST")
RECORD: Final = _kind("RECORD")
TUPLE: Final = _kind("TUPLE")
VARIANT: Final = _kind("VARIANT")
ENUM: Final = _kind("ENUM")
OPTION: Final = _kind("OPTION")
RESULT: Final = _kind("RESULT")
FLAGS: Final = _kind("FLAGS")
RESOURCE: Final = _kind("RESOURCE")
MAP: Final = RESOURCE + 1
"""The bindings have the map's structure but forgot its constant; a conformance test reads it off a real component."""

if BOOL != 0:  # zeroed memory must be a value that needs no freeing: see lowering
    raise ImportError("the installed wasmtime numbers the kinds of component values in another way")

# --- values (held) ---------------------------------------------------------------------------------------------------
Pair: Any = ctypes.c_uint64 * 2
"""Where the C side writes a vector: ``[size, address]``."""

bytes_at: Callable[[Address, int], bytes] = _function(
    ctypes.pythonapi, "PyBytes_FromStringAndSize", ctypes.py_object, POINTER, ctypes.c_ssize_t
)
text_at: Callable[[Address, int, bytes | None], str] = _function(
    ctypes.pythonapi, "PyUnicode_DecodeUTF8", ctypes.py_object, POINTER, ctypes.c_ssize_t, ctypes.c_char_p
)
move: Callable[[Address, Any, int], Any] = ctypes.PYFUNCTYPE(POINTER, POINTER, POINTER, SIZE)(
    ctypes.cast(ctypes.memmove, POINTER).value or 0
)
"""`move(address, bytes or buffer, count)`."""

name_new: Callable[[Any, int, bytes], None] = _function(_held, "wasm_byte_vec_new", None, POINTER, SIZE, POINTER)
name_delete: Callable[[Any], None] = _function(_held, "wasm_byte_vec_delete", None, POINTER)
list_new: Callable[[Any, int], None] = _function(_held, "wasmtime_component_vallist_new_uninit", None, POINTER, SIZE)
tuple_new: Callable[[Any, int], None] = _function(_held, "wasmtime_component_valtuple_new_uninit", None, POINTER, SIZE)
flags_new: Callable[[Any, int], None] = _function(_held, "wasmtime_component_valflags_new_uninit", None, POINTER, SIZE)
map_new: Callable[[Any, int], None] = _function(_held, "wasmtime_component_valmap_new_uninit", None, POINTER, SIZE)
record_new: Callable[[Any, int], None] = _function(
    _held, "wasmtime_component_valrecord_new_uninit", None, POINTER, SIZE
)
record_copy: Callable[[Any, Any], None] = _function(_held, "wasmtime_component_valrecord_copy", None, POINTER, POINTER)
record_delete: Callable[[Any], None] = _function(_held, "wasmtime_component_valrecord_delete", None, POINTER)
value_box: Callable[[Any], Address] = _function(_held, "wasmtime_component_val_new", POINTER, POINTER)
"""Moves the value at an address into a box of its own; leaves a plain value behind."""
value_delete: Callable[[Any], None] = _function(_held, "wasmtime_component_val_delete", None, POINTER)
long_value_delete: Callable[[Any], None] = _function(_free, "wasmtime_component_val_delete", None, POINTER)
"""The same for one that may have millions of parts."""

# --- resources (held) ------------------------------------------------------------------------------------------------
resource_new: Callable[[bool, int, int], Address] = _function(
    _held, "wasmtime_component_resource_host_new", POINTER, ctypes.c_bool, ctypes.c_uint32, ctypes.c_uint32
)
resource_rep: Callable[[Address], int] = _function(
    _held, "wasmtime_component_resource_host_rep", ctypes.c_uint32, POINTER
)
resource_type: Callable[[Address], int] = _function(
    _held, "wasmtime_component_resource_host_type", ctypes.c_uint32, POINTER
)
resource_delete: Callable[[Address], None] = _function(_held, "wasmtime_component_resource_host_delete", None, POINTER)
resource_to_handle: Callable[[Address, Address, Any], Address | None] = _function(
    _held, "wasmtime_component_resource_host_to_any", POINTER, POINTER, POINTER, POINTER
)
"""`(context, resource, out handle) -> error`: puts the resource into the store's table."""
handle_to_resource: Callable[[Address, Address, Any], Address | None] = _function(
    _held, "wasmtime_component_resource_any_to_host", POINTER, POINTER, POINTER, POINTER
)
"""`(context, handle, out resource) -> error`: takes the handle out of the table; a borrow is thereby released."""

guest_handle_copy: Callable[[Address], Address] = _function(
    _held, "wasmtime_component_resource_any_clone", POINTER, POINTER
)
guest_handle_delete: Callable[[Address], None] = _function(
    _held, "wasmtime_component_resource_any_delete", None, POINTER
)
guest_handle_drop: Callable[[Address, Address], Address | None] = _function(
    _free, "wasmtime_component_resource_any_drop", POINTER, POINTER, POINTER
)
"""`(context, handle) -> error`: runs the guest's destructor; in stores that never yield."""

# --- errors (held) ---------------------------------------------------------------------------------------------------
error_new: Callable[[bytes], Address] = _function(_held, "wasmtime_error_new", POINTER, ctypes.c_char_p)
error_delete: Callable[[Address], None] = _function(_held, "wasmtime_error_delete", None, POINTER)
_error_message = _function(_held, "wasmtime_error_message", None, POINTER, POINTER)
_error_exit_status = _function(_held, "wasmtime_error_exit_status", ctypes.c_bool, POINTER, POINTER)


def error_text(error: Address) -> str:
    """What a `wasmtime_error_t` says; it stays alive."""
    text = Pair()
    _error_message(error, text)
    try:
        return bytes_at(text[1], text[0]).decode(errors="replace")
    finally:
        name_delete(text)


def error_exit_status(error: Address) -> int | None:
    """The status a guest gave to ``wasi:cli/exit``, or None when the error is another one."""
    status = ctypes.c_int()
    return status.value if _error_exit_status(error, ctypes.byref(status)) else None


def take_error(error: Address) -> str:
    """What a `wasmtime_error_t` says; it is freed."""
    try:
        return error_text(error)
    finally:
        error_delete(error)


# --- configuration (held) --------------------------------------------------------------------------------------------
config_async_stack: Callable[[Any, int], None] = _function(
    _held, "wasmtime_config_async_stack_size_set", None, POINTER, SIZE
)
config_concurrency: Callable[[Any, bool], None] = _function(
    _held, "wasmtime_config_concurrency_support_set", None, POINTER, ctypes.c_bool
)


def config_memory(config: Any, *, reservation: int, guard: int) -> None:
    """Bytes of address space of a linear memory, and of the guard pages around it."""
    bindings.wasmtime_config_memory_reservation_set(config, reservation)
    bindings.wasmtime_config_memory_guard_size_set(config, guard)


def config_pool(config: Any, **limits: int) -> None:
    """Make an engine allocate from a pool; `limits` by the names in
    ``wasmtime_pooling_allocation_config_<NAME>_set``."""
    pool = bindings.wasmtime_pooling_allocation_config_new()
    try:
        for name, value in limits.items():
            getattr(bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
        bindings.wasmtime_pooling_allocation_strategy_set(config, pool)
    finally:
        bindings.wasmtime_pooling_allocation_config_delete(pool)


# --- stores (held; deletion is free, it may run destructors) ---------------------------------------------------------
store_new: Callable[[Any, Address, Address], Address] = _function(
    _held, "wasmtime_store_new", POINTER, POINTER, POINTER, POINTER
)
store_context: Callable[[Address], Address] = _function(_held, "wasmtime_store_context", POINTER, POINTER)
store_limits: Callable[[Address, int, int, int, int, int], None] = _function(
    _held, "wasmtime_store_limiter", None, POINTER, *(ctypes.c_int64,) * 5
)
store_delete: Callable[[Address], None] = _function(_free, "wasmtime_store_delete", None, POINTER)
context_data: Callable[[Address], int | None] = _function(_held, "wasmtime_context_get_data", POINTER, POINTER)
context_set_fuel: Callable[[Address, int], Address | None] = _function(
    _held, "wasmtime_context_set_fuel", POINTER, POINTER, ctypes.c_uint64
)
context_set_wasi: Callable[[Address, Address], Address | None] = _function(
    _held, "wasmtime_context_set_wasi", POINTER, POINTER, POINTER
)
context_set_deadline: Callable[[Address, int], None] = _function(
    _held, "wasmtime_context_set_epoch_deadline", None, POINTER, ctypes.c_uint64
)
context_yield_each: Callable[[Address, int], None] = _function(
    # The bindings declare a result, but what comes back is garbage: never read it.
    _held,
    "wasmtime_context_epoch_deadline_async_yield_and_update",
    None,
    POINTER,
    ctypes.c_uint64,
)
OnDeadline: Any = ctypes.CFUNCTYPE(POINTER, POINTER, POINTER, POINTER, POINTER)
"""`(context, data, out ticks, out kind) -> error`: the guest has run for a tick; it runs for `ticks` more."""
store_on_deadline: Callable[[Address, Any, Address, Any], None] = _function(
    _held, "wasmtime_store_epoch_deadline_callback", None, POINTER, OnDeadline, POINTER, ctypes.CFUNCTYPE(None, POINTER)
)

# --- instances and calls ---------------------------------------------------------------------------------------------
Instance: Any = bindings.wasmtime_component_instance_t
Func: Any = bindings.wasmtime_component_func_t
instantiate: Callable[[Any, Address, Any, Any, Any], Address] = _function(
    _held, "wasmtime_component_linker_instantiate_async", POINTER, POINTER, POINTER, POINTER, POINTER, POINTER
)
"""`(linker, context, component, out instance, out error) -> future`; everything passed must outlive the future."""
get_func: Callable[[Any, Address, Any, Any], bool] = _function(
    _held, "wasmtime_component_instance_get_func", ctypes.c_bool, POINTER, POINTER, POINTER, POINTER
)
call: Callable[[Any, Address, Any, int, Any, int, Any], Address] = _function(
    _held, "wasmtime_component_func_call_async", POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE, POINTER
)
"""`(func, context, args, count, results, count, out error) -> future`."""
Entering: TypeAlias = Callable[[], "Address | None"]
"""Runs guest code at once; gives the error."""
instantiate_now: Callable[[Address, Address, Address, Address], Address | None] = _function(
    _free, "wasmtime_component_linker_instantiate", POINTER, POINTER, POINTER, POINTER, POINTER
)
"""`(linker, context, component, out instance) -> error`."""
call_now: Callable[[Any, Address, Any, int, Any, int], Address | None] = _function(
    _free, "wasmtime_component_func_call", POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE
)
"""`(func, context, args, count, results, count) -> error`."""
future_poll: Callable[[Address], bool] = _function(_free, "wasmtime_call_future_poll", ctypes.c_bool, POINTER)
future_delete: Callable[[Address], None] = _function(_free, "wasmtime_call_future_delete", None, POINTER)


class Frame(ctypes.Structure):
    """What the C side writes in one call of a guest, as one block: cheaper to make and to address than four."""

    _fields_: ClassVar = [
        ("error", POINTER),
        ("result", ctypes.c_char * VAL_SIZE),
        ("instance", bindings.wasmtime_component_instance_t),
        ("function", bindings.wasmtime_component_func_t),
    ]


FRAME: Any = Frame
ERROR_AT: Final[int] = FRAME.error.offset
RESULT_AT: Final[int] = FRAME.result.offset
INSTANCE_AT: Final[int] = FRAME.instance.offset
FUNCTION_AT: Final[int] = FRAME.function.offset

# --- host functions --------------------------------------------------------------------------------------------------
Continue: Any = ctypes.CFUNCTYPE(ctypes.c_bool, POINTER)
"""`(token) -> done`: asked at each poll whether the host call has its answer."""
Callback: Any = ctypes.CFUNCTYPE(SIZE, POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE)
"""`(data, context, type, args, count, results, count) -> error`: a host function that answers at once."""
AsyncCallback: Any = ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER, POINTER, SIZE, POINTER, SIZE, POINTER, POINTER)
"""As `Callback`, then `(… out error, out continuation)`: a host function that may answer later."""
Destructor: Any = ctypes.CFUNCTYPE(SIZE, POINTER, POINTER, ctypes.c_uint32)
"""`(data, context, rep) -> error`: the guest dropped its handle."""
Output: Any = ctypes.CFUNCTYPE(ctypes.c_ssize_t, POINTER, POINTER, SIZE)
"""`(data, address, count) -> taken`: the guest wrote to a standard stream."""
Finalizer: Any = ctypes.CFUNCTYPE(None, POINTER)
NO_FINALIZER: Final[Any] = Finalizer(0)

add_callback: Callable[[Any, bytes, int, Any, Any, Any], Address | None] = _function(
    _held, "wasmtime_component_linker_instance_add_func", POINTER, POINTER, POINTER, SIZE, Callback, POINTER, Finalizer
)
add_async_callback: Callable[[Any, bytes, int, Any, Any, Any], Address | None] = _function(
    _held,
    "wasmtime_component_linker_instance_add_func_async",
    *(POINTER, POINTER, POINTER, SIZE, AsyncCallback, POINTER, Finalizer),
)
add_resource: Callable[[Any, bytes, int, Any, Any, Any, Any], Address | None] = _function(
    _held,
    "wasmtime_component_linker_instance_add_resource",
    *(POINTER, POINTER, POINTER, SIZE, POINTER, Destructor, POINTER, Finalizer),
)
wasi_new: Callable[[], Address] = _function(_held, "wasi_config_new", POINTER)
wasi_stdout: Callable[[Address, Any, Any, Any], None] = _function(
    _held, "wasi_config_set_stdout_custom", None, POINTER, Output, POINTER, Finalizer
)
wasi_stderr: Callable[[Address, Any, Any, Any], None] = _function(
    _held, "wasi_config_set_stderr_custom", None, POINTER, Output, POINTER, Finalizer
)


def address_of(pointer: Any) -> Address:
    """Where a ctypes pointer points."""
    return ctypes.cast(pointer, POINTER).value or 0


def read_cells(image: bytes, letter: str, first: int, step: int) -> list[Any]:
    """Every `step`-th cell of an image, from `first`, cells being of the struct format `letter`."""
    cells: Any = memoryview(image).cast(letter)  # type: ignore[call-overload]
    return cells[first::step].tolist()  # type: ignore[no-any-return]


def write_cells(image: bytearray, letter: str, first: int, step: int, numbers: list[Any]) -> None:
    """The inverse of `read_cells`; OverflowError for a number beyond the format."""
    cells: Any = memoryview(image).cast(letter)  # type: ignore[call-overload]
    cells[first::step] = memoryview(array(letter, numbers))


def continuation(callback: Address, token: int) -> bytes:
    """The image of a `wasmtime_async_continuation_t` without finalizer; what is at `callback` must outlive its use."""
    return _CONTINUATION(callback, token, 0)
