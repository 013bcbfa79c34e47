"""Whether a site counts as reachable."""

from __future__ import annotations

import pytest

from unfreeze.exchange import reachable
from unfreeze.exchange.reachable import is_reachable

# A name that no resolver knows (RFC 2606): real sites may be within reach of whoever runs this.
NOWHERE = "https://site.invalid"


def test_nothing_is_reachable_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(reachable, "getproxies", lambda: {"https": "http://proxy.invalid"})
    assert not is_reachable(NOWHERE)


def test_a_proxy_answers_for_every_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(reachable, "getproxies", lambda: {"https": "http://proxy.invalid"})
    assert is_reachable(NOWHERE)


def test_a_no_proxy_setting_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(reachable, "getproxies", lambda: {"no": "localhost"})
    assert not is_reachable(NOWHERE)
