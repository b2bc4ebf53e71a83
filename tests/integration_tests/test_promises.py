"""What docs/why.md compares: each promise has a probe or a reason, and ours keep theirs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts a process
ROOT = Path(__file__).parents[2]
PROBE = ROOT / "benchmarks" / "probe.py"
QUICK = ["E2", "E4", "E9", "S2", "S3", "S8", "S14", "S19"]


def probe(**job):
    command = [sys.executable, str(PROBE), json.dumps(job)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def promises():
    return probe()[0]["promises"]


def test_every_row_has_a_probe_or_a_reason(promises):
    expected = [f"E{i}" for i in range(1, 21)] + [f"S{i}" for i in range(1, 23)]
    assert [promise["id"] for promise in promises] == expected
    assert {each["id"] for each in promises if each["reason"]} == {"E17", "S12", "S20", "S22"}


def test_the_page_has_every_row_and_says_which_command_made_it(promises):
    page = (ROOT / "docs" / "why.md").read_text(encoding="utf-8")
    assert page.startswith("<!-- Written whole by `make compare")
    rows = re.findall(r"^\| ([ES]\d+) \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(promise["id"] for promise in promises)


def test_probes_find_that_ours_keep_their_promises(emulator):
    seen = probe(
        side="ours", ids=QUICK, url=emulator.base_url, key=emulator.api_key, google_genai=[]
    )
    assert [each["id"] for each in seen] == QUICK
    assert [each for each in seen if not each["passed"]] == []
