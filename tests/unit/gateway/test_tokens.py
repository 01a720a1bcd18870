"""Bearer tokens: what is kept tells nobody the token, what is not one is refused, files are whole or refused."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from obelisk.gateway import entry
from obelisk.gateway.auth import token_file, tokens
from obelisk.gateway.auth.token_file import LiveTokens, TokenFileInvalid
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Issued, Scope, Tokens, issue
from obelisk.runtime.wiring import config

NOW = 1_000_000


def made(seed: int = 1, scope: Scope = Scope.READ, expires_at_us: int | None = None) -> Issued:
    random = hashlib.sha512(bytes([seed])).digest()[:RANDOM_BYTES]
    return issue(f"token {seed}", scope, random=random, now_us=NOW, expires_at_us=expires_at_us)


def test_a_token_is_known_by_its_text_alone() -> None:
    one, two = made(1), made(2)
    kept = Tokens((one.token, two.token))
    assert kept.holder(one.secret, NOW) == one.token
    assert kept.holder(two.secret, NOW) == two.token
    assert kept.without(one.token.id).holder(one.secret, NOW) is None
    assert Tokens().with_token(one.token).holder(one.secret, NOW) == one.token


def test_what_is_kept_does_not_tell_the_token() -> None:
    issued = made()
    text = tokens.encode([issued.token]).decode()
    assert issued.secret not in text
    assert issued.secret.rpartition("_")[2] not in text
    assert tokens.decode(text.encode()).holder(issued.secret, NOW) == issued.token


@given(st.text(max_size=80) | st.integers(0, 64).map(lambda n: made().secret[:n]))
def test_no_other_text_is_a_token(text: str) -> None:
    assume(text != made().secret)
    assert Tokens((made().token,)).holder(text, NOW) is None


@given(st.integers(0, 63), st.sampled_from("abcXYZ019_-"))
def test_a_token_with_one_other_character_is_none(place: int, character: str) -> None:
    secret = made().secret
    changed = secret[:place] + character + secret[place + 1 :]
    assert (Tokens((made().token,)).holder(changed, NOW) is None) == (changed != secret)


def test_a_token_expires() -> None:
    issued = made(expires_at_us=NOW + 5)
    kept = Tokens((issued.token,))
    assert kept.holder(issued.secret, NOW + 4) is not None
    assert kept.holder(issued.secret, NOW + 5) is None


def test_scopes_include_the_smaller_ones() -> None:
    allowed = {held: {needed for needed in Scope if held.allows(needed)} for held in Scope}
    assert allowed == {
        Scope.PUBLIC: {Scope.PUBLIC},
        Scope.READ: {Scope.PUBLIC, Scope.READ},
        Scope.SUBMIT: {Scope.PUBLIC, Scope.READ, Scope.SUBMIT},
        Scope.WORK: {Scope.PUBLIC, Scope.WORK},
        Scope.ADMIN: set(Scope),
    }
    assert set(tokens.SCOPES) == {"read", "submit", "work", "admin"}


def test_a_token_needs_all_its_randomness() -> None:
    with pytest.raises(ValueError, match="40 random bytes"):
        issue("short", Scope.READ, random=b"x", now_us=NOW)


# --- files ----------------------------------------------------------------------------------------------------------
def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokens.json"
    assert token_file.read(path) == Tokens()
    for count in (2, 1):
        kept = Tokens(tuple(made(seed).token for seed in range(count)))
        token_file.write(path, kept)
        assert token_file.read(path) == kept
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [file.name for file in path.parent.iterdir()] == ["tokens.json"]


GOOD = json.loads(tokens.encode([made().token]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"{}",
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({"version": 1, "tokens": [{**GOOD["tokens"][0], "scope": "root"}]}).encode(),
        json.dumps({"version": 1, "tokens": [{**GOOD["tokens"][0], "secret": "x"}]}).encode(),
    ],
)
def test_what_is_no_file_of_tokens_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(content)
    with pytest.raises(TokenFileInvalid) as refused:
        token_file.read(path)
    assert refused.value.fields["path"] == str(path)
    assert str(path) in refused.value.message


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        TokenFileInvalid, match=r"\[server\] token_file: \S*tokens\.json cannot be written: .*; name a place"
    ):
        token_file.write(tmp_path / "file" / "tokens.json", Tokens())
    with pytest.raises(TokenFileInvalid, match="Is a directory"):
        token_file.read(tmp_path)
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(TokenFileInvalid):
        token_file.write(tmp_path / "folder", Tokens())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_a_change_of_the_file_is_noticed_and_a_broken_one_admits_nobody(tmp_path: Path) -> None:
    path, now = tmp_path / "tokens.json", [0.0]
    live = LiveTokens(path, made(9).token, clock=lambda: now[0])
    assert live.current().holder(made(1).secret, NOW) is None
    token_file.write(path, Tokens((made(1).token,)))
    assert live.current().holder(made(1).secret, NOW) is None
    now[0] += token_file.LOOK_EVERY_S
    assert live.current().holder(made(1).secret, NOW) is not None
    token_file.write(path, Tokens((made(2).token,)))
    now[0] += token_file.LOOK_EVERY_S
    assert live.current().holder(made(1).secret, NOW) is None
    assert live.current().holder(made(2).secret, NOW) is not None
    path.write_text("{")
    now[0] += token_file.LOOK_EVERY_S
    assert live.current().items == (made(9).token,)
    os.unlink(path)
    now[0] += token_file.LOOK_EVERY_S
    assert live.current().items == (made(9).token,)


def test_workers_of_a_server_with_tokens_get_one_of_their_own(tmp_path: Path) -> None:
    workers = '[worker.w]\nmodule = "w"\n'
    required = config.parse(f'[server]\nauth = "required"\n{workers}', file=tmp_path / "obelisk.toml")
    plain = config.parse(workers, file=tmp_path / "obelisk.toml")
    assert not entry.admission(plain).worker_secret
    assert not entry.admission(plain).access.required
    admitted = entry.admission(required)
    assert admitted.access.identify(f"Bearer {admitted.worker_secret}", 1)[0] is Scope.WORK
    assert admitted.access.identify(f"Bearer {admitted.secret}", 1)[0] is Scope.ADMIN
    token_file.write(tmp_path / ".obelisk/tokens.json", Tokens((made().token,)))
    admitted = entry.admission(plain)
    assert admitted.access.identify(f"Bearer {admitted.worker_secret}", 1)[0] is Scope.WORK
    assert not admitted.secret
