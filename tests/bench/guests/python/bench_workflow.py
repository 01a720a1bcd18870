"""The Python workflow of the benchmark."""

from wit_world import exports
from wit_world.imports import activity, fibo


class Workflow(exports.Workflow):
    """Durable calls, one after another."""

    def fiboa(self, n: int, iterations: int) -> int:
        last = 0
        for _ in range(iterations):
            last = fibo.fibo(n)
        return last

    def fiboa_python(self, n: int, iterations: int) -> int:
        last = 0
        for _ in range(iterations):
            last = activity.fibo(n)
        return last
