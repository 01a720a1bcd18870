"""The join sets of one execution: what was requested of each, what has been answered, what the guest has processed.

A book-keeping of facts; which facts are legal and what is recorded is the machine's concern. A *request* is a child or
a delay. Its response *arrives* (the shell delivers it) and is later *taken* (the guest processes it). On a replay all
responses arrive before the guest has asked for anything, hence a response is kept whether its request is known or not,
and is given out only once it is. Arrival order is delivery order. Every operation takes constant time, but for closing,
which is linear in the set's requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain

from obelisk.runtime import ids
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import ChildFinished, JoinSetRequest, Response


class MachineMisuse(ObeliskError):
    """The guest asked for what makes no sense; the subclasses say what."""

    code = "machine_misuse"


class JoinSetUnknown(MachineMisuse):
    """No such join set was created; `fields["join_set"]`."""

    code = "join_set_unknown"


class JoinSetClosed(MachineMisuse):
    """The join set is closed; `fields["join_set"]`."""

    code = "join_set_closed"


class JoinSetNameInvalid(MachineMisuse):
    """Not a name for a join set (see `ids.is_join_set_name`); `fields["name"]`."""

    code = "join_set_name_invalid"


class RequestUnknown(MachineMisuse):
    """The execution submitted no such child or delay; `fields["id"]`."""

    code = "request_unknown"


def response_id(response: Response) -> str:
    """The id of the child or delay that a response answers."""
    return response.child if isinstance(response, ChildFinished) else response.delay


class JoinSet:
    """One join set that a guest created. `last` is the id of the response taken last."""

    __slots__ = (
        "_arrived",
        "_children",
        "_delays",
        "_open_children",
        "_open_delays",
        "_taken",
        "id",
        "is_open",
        "last",
    )

    def __init__(self, join_set: str) -> None:
        self.id = join_set
        self.is_open = True
        self.last: str | None = None
        self._arrived: OrderedDict[str, Response] = OrderedDict()
        # Dictionaries without values are ordered sets.
        self._children: dict[str, None] = {}
        self._delays: dict[str, None] = {}
        self._open_children: dict[str, None] = {}
        self._open_delays: dict[str, None] = {}
        self._taken = 0

    # --- what happens ----------------------------------------------------------------------------------------------
    def arrive(self, response_id: str, response: Response) -> None:
        """A response was delivered, the first one with that id."""
        self._open_children.pop(response_id, None)
        self._open_delays.pop(response_id, None)
        if self.is_open:
            self._arrived[response_id] = response

    def request_child(self, child: str) -> None:
        """A child was submitted."""
        self._children[child] = None
        if child not in self._arrived:
            self._open_children[child] = None

    def request_delay(self, delay: str) -> None:
        """A delay was submitted."""
        self._delays[delay] = None
        if delay not in self._arrived:
            self._open_delays[delay] = None

    def take(self, response_id: str) -> Response | None:
        """Process the response of a request; None when it was not requested, has not arrived, or is taken already."""
        if response_id not in self._children and response_id not in self._delays:
            return None
        response = self._arrived.pop(response_id, None)
        if response is not None:
            self._taken += 1
            self.last = response_id
        return response

    def close(self) -> None:
        """Nothing more is taken from this set."""
        self.is_open = False
        self._arrived.clear()

    # --- what is so ------------------------------------------------------------------------------------------------
    @property
    def requests(self) -> int:
        """How many requests were made: the number of the last one."""
        return len(self._children) + len(self._delays)

    @property
    def is_exhausted(self) -> bool:
        """Whether every request has been answered and processed."""
        return self._taken == self.requests

    @property
    def first(self) -> str | None:
        """The id of the response that arrived first of those not taken yet, or None."""
        known = (i for i in self._arrived if i in self._children or i in self._delays)
        return next(known, None)

    @property
    def waits_for_children(self) -> bool:
        """Whether a child has not been answered."""
        return bool(self._open_children)

    @property
    def open_children(self) -> tuple[str, ...]:
        """The children that have not answered, in the order they were submitted."""
        return tuple(self._open_children)

    @property
    def open_requests(self) -> Iterator[str]:
        """The children, then the delays, that have not answered, in the order they were submitted."""
        return chain(self._open_children, self._open_delays)

    @property
    def children(self) -> tuple[str, ...]:
        """All children, in the order they were submitted."""
        return tuple(self._children)

    @property
    def open_delays(self) -> tuple[str, ...]:
        """The delays that have not been answered, in the order they were submitted."""
        return tuple(self._open_delays)


class JoinSets:
    """All join sets, requests and responses of an execution.

    One-off sets are only numbered: each has one request, whose response the machine takes by its id.
    """

    __slots__ = (
        "_delivered",
        "_early",
        "_expiries",
        "_functions",
        "_generated",
        "_one_offs",
        "_processed",
        "_sets",
        "_signatures",
        "process",
        "response",
    )

    def __init__(self) -> None:
        self._sets: dict[str, JoinSet] = {}
        self._early: dict[str, dict[str, Response]] = {}
        self._functions: dict[str, str] = {}
        self._signatures: dict[str, str] = {}
        self._expiries: dict[str, int] = {}
        self._delivered: dict[str, Response] = {}
        self.response: Callable[[str], Response | None] = self._delivered.get
        """The response to a request, processed or not. It and `process` are on the path of every call."""
        self._processed: set[str] = set()
        self.process: Callable[[str], None] = self._processed.add
        """The guest has the response to a request."""
        self._generated = 0
        self._one_offs = 0

    # --- join sets -------------------------------------------------------------------------------------------------
    def next_one_off(self, name: str | None = None) -> str:
        """The id that the next one-off set would have. JoinSetNameInvalid."""
        if name is None:
            return f"o:{self._one_offs + 1}"
        return f"o:{self._one_offs + 1}_{_checked(name)}"

    def add_one_off(self) -> None:
        """A one-off set came to be."""
        self._one_offs += 1

    def next_id(self, name: str | None) -> str:
        """The id that the next set of that name, or of a generated one, would have. JoinSetNameInvalid."""
        return f"g:{self._generated + 1}" if name is None else f"n:{_checked(name)}"

    def add(self, join_set: str) -> None:
        """A join set came to be; what arrived for it already is in it."""
        new = self._sets[join_set] = JoinSet(join_set)
        if join_set.startswith("g:"):
            self._generated += 1
        for early, response in self._early.pop(join_set, {}).items():
            new.arrive(early, response)

    def __contains__(self, join_set: str) -> bool:
        return join_set in self._sets

    def find(self, join_set: str) -> JoinSet:
        """The set of that id, open or closed. JoinSetUnknown."""
        found = self._sets.get(join_set)
        if found is None:
            raise JoinSetUnknown(f"there is no join set {join_set}", join_set=join_set)
        return found

    def find_open(self, join_set: str) -> JoinSet:
        """The open set of that id. JoinSetUnknown, JoinSetClosed."""
        found = self.find(join_set)
        if not found.is_open:
            raise JoinSetClosed(f"the join set {join_set} is closed", join_set=join_set)
        return found

    def open_sets(self) -> list[JoinSet]:
        """The open sets, oldest first."""
        return [s for s in self._sets.values() if s.is_open]

    def close(self, join_set: JoinSet) -> None:
        """A join set was closed: the responses of its children count as processed."""
        self._processed.update(join_set.children)
        join_set.close()

    # --- requests --------------------------------------------------------------------------------------------------
    def add_child(self, request: JoinSetRequest) -> None:
        """A child was submitted, to whichever set."""
        self._functions[request.child] = request.ffqn
        if request.signature:
            self._signatures[request.child] = request.signature

    def add_delay(self, delay: str, expires_at_us: int) -> None:
        """A delay was submitted, to whichever set."""
        self._expiries[delay] = expires_at_us

    def submitted(self) -> dict[str, str]:
        """All children, of whichever set, with their functions, in the order they were submitted."""
        return self._functions

    def function_of(self, child: str) -> str:
        """The Ffqn a child was submitted with. RequestUnknown."""
        found = self._functions.get(child)
        if found is None:
            raise RequestUnknown(f"no child {child} was submitted", id=child)
        return found

    def signature_of(self, child: str) -> str:
        """The signature that the function had when the child was submitted; ``""`` when that is not on record."""
        return self._signatures.get(child, "")

    def expires_at_us(self, delay: str) -> int:
        """The instant at which a delay expires. RequestUnknown."""
        found = self._expiries.get(delay)
        if found is None:
            raise RequestUnknown(f"no delay {delay} was submitted", id=delay)
        return found

    # --- responses -------------------------------------------------------------------------------------------------
    @property
    def delivered(self) -> int:
        """How many responses were delivered."""
        return len(self._delivered)

    def deliver(self, response: Response) -> bool:
        """A response came; False, and nothing happened, when its request was answered before."""
        request = response.child if type(response) is ChildFinished else response_id(response)
        if request in self._delivered:
            return False
        self._delivered[request] = response
        join_set = response.join_set
        if join_set in self._sets:
            self._sets[join_set].arrive(request, response)
        elif not join_set.startswith("o:"):
            self._early.setdefault(join_set, {})[request] = response
        return True

    def processed(self, request: str) -> Response | None:
        """The response to a request that the guest has processed."""
        return self._delivered.get(request) if request in self._processed else None


def _checked(name: str) -> str:
    if not ids.is_join_set_name(name):
        raise JoinSetNameInvalid(f"not a name for a join set: {name!r}", name=name)
    return name
