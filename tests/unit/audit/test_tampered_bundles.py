"""Every act of the tamperer on every kind of bundle is found, in a clear line, without a traceback.

Of the acts every fourth is tried on two kinds of bundle, and forty random changes of bytes on each
kind; with BIHUAN_TAMPER=all every act on every kind, and a thousand changes.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.evidence import verify_bundle
from tests.unit.audit import tamperer
from tests.unit.audit.bundles import KEY_LINE, bundle, signature
from tests.unit.audit.tamperer import Act, Name, listed, opened, zipped

KINDS = ("complaint", "complaint opened", "period", "period opened")
ALL = os.environ.get("BIHUAN_TAMPER") == "all"
STEP, FLIPS = (1, 1_000) if ALL else (4, 40)
NAMED = re.compile(r"WRONG  (/bihuan/\w+) (\S+) number (\d+)(?: to (\d+))?: ")
made = cache(bundle)


@pytest.fixture(autouse=True)
def _signatures_are_checked_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ed25519 in plain Python takes 10 ms, and most acts leave the signed bytes alone."""
    monkeypatch.setattr(verify_bundle, "signed", lru_cache(None)(verify_bundle.signed))


def told(
    data: bytes, folder: Path, capsys: pytest.CaptureFixture[str], *key: str
) -> tuple[int, str]:
    """(exit code, output): never a traceback, never a byte that a terminal would obey."""
    file = folder / "bundle.zip"
    file.write_bytes(data)
    code = verify_bundle.main([str(file), *(key or (KEY_LINE,))])
    out, err = capsys.readouterr()
    assert err == ""
    assert re.fullmatch(r"[\n -~]+", out), "only plain ASCII"
    assert not re.search(r"NO BUNDLE: \w+(Error|Exception)", out), out[:300]
    return code, out


def named(out: str) -> set[Name]:
    found = set()
    for source, subject, number, upto in NAMED.findall(out):
        found |= {(source, subject, one) for one in range(int(number), int(upto or number) + 1)}
    return found


def acts(kind: str) -> Iterator[Act]:
    true, dice = made(kind), random.Random(kind)
    yield from tamperer.packings(true)
    yield from tamperer.signatures(true)
    yield from tamperer.events(true, dice, signature)
    yield from tamperer.proofs(true, dice, signature)
    yield from tamperer.policies(true, signature)


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_passes(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(made(kind), tmp_path, capsys)
    assert (code, out.splitlines()[-1]) == (0, "ALL HOLDS"), out
    assert zipped(opened(made(kind))) == made(kind), "the tamperer packs as bundles are packed"
    assert zipped(listed(opened(made(kind)), signature)) == made(kind)


@pytest.mark.parametrize("kind", KINDS if ALL else ("complaint", "period opened"))
def test_every_act_is_found_and_whom_it_harms_is_named(
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    say_tried: Callable[[str], None],
) -> None:
    tried = 0
    for act in islice(acts(kind), KINDS.index(kind) % STEP, None, STEP):
        assert act.data != made(kind), f"{act.name}: changes nothing"
        code, out = told(act.data, tmp_path, capsys)
        tried += 1
        last = out.splitlines()[-1]
        assert code in (1, 2), act.name
        assert re.match(r"\d+ WRONG$" if code == 1 else "NO BUNDLE: ", last), (act.name, last)
        assert out.count("ALL HOLDS\n") == 0, act.name
        if act.harmed is not None:
            assert code == 1, (act.name, out)
            assert named(out) == act.harmed, (act.name, named(out) ^ act.harmed)
    say_tried(f"{tried} acts on a bundle ({kind}), 0 unfound")
    assert tried >= (600 if ALL else 150)


@pytest.mark.parametrize("kind", KINDS)
def test_any_byte_changed_anywhere_is_found(
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    say_tried: Callable[[str], None],
) -> None:
    true, dice = made(kind), random.Random(f"flips {kind}")
    for _ in range(FLIPS):
        data = bytearray(true)
        for at in dice.sample(range(len(true)), dice.choice((1, 1, 1, 2, 9))):
            data[at] ^= dice.randrange(1, 256)
        cut = dice.choice((None, None, None, dice.randrange(len(true))))
        code, out = told(bytes(data)[:cut], tmp_path, capsys)
        assert code in (1, 2), out
    say_tried(f"{FLIPS} bytes changed in a bundle ({kind}), 0 unfound")


def test_a_bundle_of_another_log_is_not_taken_for_one_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed through and through, but by another key: only who brings the key can tell."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    files = listed(opened(made("complaint")), lambda text: signature(text, other))
    code, out = told(zipped(files), tmp_path, capsys)
    assert (code, "manifest.json: it is not signed by this key" in out) == (1, True)
    code, out = told(made("complaint"), tmp_path, capsys, "")
    assert (code, out.splitlines()[-1]) == (0, "ALL HOLDS, IF THAT IS THE KEY")


def test_it_says_of_each_promise_whether_it_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Registered on Friday the 10th at 09:00; answered on the 16th at 23:00, heard on the 17th."""
    _, out = told(made("complaint"), tmp_path, capsys)
    table = out[out.index("PROMISES") :]
    rows = {line.split()[1]: line for line in table.splitlines()[1:] if line.startswith("5b0f")}
    assert set(rows) == {"acknowledge", "first_contact", "legal.answer", "resolve"}
    assert rows["acknowledge"].endswith("2025-10-10T01:05:00.000000Z: BROKEN")
    assert rows["first_contact"].endswith("2025-10-10T02:00:00.000000Z: BROKEN")
    assert rows["legal.answer"].endswith("27T16:00:00.000000Z: KEPT at 2025-10-16T15:00:00.000000Z")
    assert rows["resolve"].endswith(
        "2025-10-16T16:00:00.000000Z: KEPT at 2025-10-16T15:00:00.000000Z "
        "(corrected at 2025-10-17T01:00:00.000000Z: it was breached)"
    )
    page = opened(made("complaint"))["page.html"].decode()
    for said in (
        "投诉解决",
        "已兑现",
        "2025-10-17 00:00:00.000000",
        "原结论 未兑现",
        "it was broken",
    ):
        assert said in page, said


def test_what_is_wrongly_asked_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [],
        ["a", "b", "c"],
        [str(tmp_path)],
        [str(tmp_path / "none")],
        [str(tmp_path / "none"), "x+y"],
        [__file__, "no such file"],
        [__file__, "\udcff" * 5],
        ["\0"],
        ["x" * 5_000, "y" * 5_000],
    ):
        assert verify_bundle.main(words) == 2, words
        out, _ = capsys.readouterr()
        assert re.fullmatch(r"(NO BUNDLE: [ -~]+\n)?", out), out
