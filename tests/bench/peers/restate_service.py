"""The benchmark's work as a Restate service. Runs under Hypercorn in an environment of its own.

Durable steps are `ctx.run`, children are calls of a service, as the SDK documents them.
"""

from __future__ import annotations

import restate

bench = restate.Service("bench")


def number(n: int) -> int:
    """The n-th Fibonacci number."""
    current, following = 0, 1
    for _ in range(n):
        current, following = following, current + following
    return current


@bench.handler()
async def fibo(ctx: restate.Context, n: int) -> int:
    """A short invocation."""
    return number(n)


@bench.handler()
async def fiboa(ctx: restate.Context, sizes: dict[str, int]) -> int:
    """Durable steps, one after another."""
    last = 0
    for _ in range(sizes["size"]):
        last = await ctx.run_typed("fibo", number, n=sizes["n"])
    return last


@bench.handler()
async def parent(ctx: restate.Context, sizes: dict[str, int]) -> int:
    """Children, one after another."""
    last = 0
    for _ in range(sizes["size"]):
        last = await ctx.service_call(fibo, arg=sizes["n"])
    return last


@bench.handler()
async def fan_out(ctx: restate.Context, sizes: dict[str, int]) -> int:
    """All children at once, then all results."""
    calls = [ctx.service_call(fibo, arg=sizes["n"]) for _ in range(sizes["size"])]
    total = 0
    for done in await restate.gather(*calls):
        total += await done
    return total // sizes["size"]


app = restate.app([bench])
