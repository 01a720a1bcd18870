"""The Python activity of the benchmark."""

from wit_world import exports


class Activity(exports.Activity):
    """Fibonacci numbers."""

    def fibo(self, n: int) -> int:
        current, following = 0, 1
        for _ in range(n):
            current, following = following, current + following
        return current
