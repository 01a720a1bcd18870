"""Whose process is gone: a pid counts within its boot and namespace, and only of an executor that renews no more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from obelisk.runtime.executor import leases
from obelisk.runtime.executor.leases import Patience, is_gone, own_life
from obelisk.runtime.ports.claims import Lease

LEASE_US = 9_000_000
NOW_US = 1_000_000_000
SAY_LIFE = """
import os
from obelisk.runtime.executor.leases import own_life
host, started = own_life()
print(host, started or "-", os.getpid(), sep="\\n")
"""


def lease(executor: str, pid: int, *, renewed_ago_us: int = 0, started: str = "1") -> Lease:
    host, _ = own_life()
    expires_at_us = NOW_US - renewed_ago_us + LEASE_US
    return Lease(executor=executor, expires_at_us=expires_at_us, host=host, pid=pid, started=started)


@pytest.fixture
def me() -> Lease:
    return lease("Exr_me", os.getpid(), started=own_life()[1])


@pytest.fixture
def gone() -> int:
    """The pid of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_process_that_lives_is_not_gone(me: Lease) -> None:
    assert not is_gone(replace(me, executor="Exr_other"), me)


def test_a_process_that_has_ended_is_gone_and_so_is_one_whose_pid_was_given_again(me: Lease, gone: int) -> None:
    assert is_gone(lease("Exr_other", gone), me)
    assert is_gone(replace(me, executor="Exr_other", started="1"), me)


@pytest.mark.parametrize("place", ["name", "boot", "namespace"])
def test_a_pid_of_another_place_says_nothing(me: Lease, gone: int, place: str) -> None:
    parts = me.host.split("/")
    assert len(parts) == 3
    parts[("name", "boot", "namespace").index(place)] += "-other"
    assert not is_gone(replace(lease("Exr_other", gone), host="/".join(parts)), me)


def test_where_the_system_does_not_tell_nobody_is_gone(me: Lease, gone: int) -> None:
    assert not is_gone(lease("Exr_other", gone, started=""), me)
    assert not is_gone(lease("Exr_other", gone), replace(me, started=""))


def test_a_process_that_is_hidden_is_not_gone(me: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount of /proc with hidepid shows no processes of other users."""

    def hidden(_: int) -> str:
        return ""

    monkeypatch.setattr(leases, "started", hidden)
    assert not is_gone(lease("Exr_other", os.getppid()), me)


def test_one_that_still_renews_lives_whatever_its_pid_says(me: Lease, gone: int) -> None:
    patience, at_us, renewed = Patience(LEASE_US), NOW_US, lease("Exr_other", gone)
    for renewals in range(6):
        at_us = NOW_US + renewals * LEASE_US // 3
        renewed = replace(lease("Exr_other", gone), expires_at_us=at_us + LEASE_US)
        for later_us in (0, LEASE_US // 4, LEASE_US // 3):
            assert not patience.has_stopped(renewed, me, at_us + later_us)
    # It was seen to renew while its pid seemed to be gone: from now on only its lease counts.
    assert not patience.has_stopped(renewed, me, at_us + LEASE_US - 1)
    assert patience.is_over(renewed.expires_at_us, at_us + LEASE_US)


def test_one_that_is_gone_is_waited_for_half_a_lease(me: Lease, gone: int) -> None:
    patience = Patience(LEASE_US)
    dead = lease("Exr_other", gone)
    assert not patience.has_stopped(dead, me, NOW_US + LEASE_US // 2 - 1)
    assert patience.has_stopped(dead, me, NOW_US + LEASE_US // 2 + 1)
    assert not patience.has_stopped(replace(me, executor="Exr_other"), me, NOW_US + LEASE_US - 1)


def test_who_is_late_itself_judges_nobody() -> None:
    patience = Patience(LEASE_US)
    patience.renewed(NOW_US, NOW_US + LEASE_US)
    assert not patience.is_over(NOW_US + 1, NOW_US + LEASE_US + 1)
    patience.renewed(NOW_US + LEASE_US + 1, NOW_US + 2 * LEASE_US + 1)
    assert not patience.is_over(NOW_US + 1, NOW_US + 2 * LEASE_US)
    assert patience.is_over(NOW_US + 1, NOW_US + 2 * LEASE_US + 1)


def said_in(*options: str) -> list[str]:
    """What a process in a PID namespace of its own says of its life; empty where the system makes none for us."""
    users = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    command = ["unshare", *users, "--pid", "--fork", *options, sys.executable, "-c", SAY_LIFE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout.split("\n")[:3] if done.returncode == 0 else []


@pytest.mark.parametrize("options", [(), ("--mount-proc",)], ids=["proc-of-the-host", "own-proc"])
def test_a_live_process_in_another_pid_namespace_is_not_gone(me: Lease, options: tuple[str, ...], gone: int) -> None:
    name, boot, namespace = me.host.split("/")
    # Where no namespace may be made, what one would say stands for it.
    other = f"{name}/{boot}/{namespace}-other"
    host, started, pid = said_in(*options) or [other, "1", str(gone)]
    assert host.startswith(f"{name}/{boot}/")
    assert host != me.host
    peer = replace(lease("Exr_other", gone), host=host, started=started.strip("-"))
    assert not is_gone(peer, me)
    assert pid.isdigit()
    if not options and pid != str(gone):
        assert started == "-", "/proc is that of the host: it knows another process by this pid"
