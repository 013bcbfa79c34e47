"""Pages opened in headless Chromium, without a driver: a script runs in a copy of the page and says what it saw."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=20000",
)  # fmt: skip
_DARK = "--blink-settings=preferredColorScheme=0"
# Before the page's own scripts, so that none of their errors is missed; pictures that can't be shown are errors as well.
_LISTEN = """<script>
  const errors = [];
  addEventListener("error", (event) => errors.push(String(event.message ?? event.target.outerHTML?.slice(0, 200))), true);
  addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
  console.error = (...words) => errors.push(words.join(" "));
</script>"""
_RUN = """<script>
  addEventListener("load", async () => {{
    let seen;
    try {{ seen = await (async () => {{ {script} }})(); }} catch (error) {{ errors.push(String(error.stack)); }}
    parent.postMessage(JSON.stringify({{ errors, seen }}), "*");
  }});
</script>"""
# A frame, because a window is never narrower than 500 px.
_FRAME = """<!doctype html><meta charset="utf-8"><pre id="outcome"></pre>
<iframe src="page.html" style="border: 0; width: {width}px; height: 900px"></iframe>
<script>addEventListener("message", (event) => {{ document.getElementById("outcome").textContent = event.data; }});</script>"""

# Opens whatever is closed, clicks every link, button and choice, and gives those that lead nowhere or that Tab can't reach.
CLICK_EVERYTHING = """
  for (const details of document.querySelectorAll("details")) details.open = true;
  const clicked = [...document.querySelectorAll("a, button, summary, input[type=radio]")];
  const broken = clicked.filter((one) => one.matches("a") && !document.getElementById(one.getAttribute("href").slice(1)));
  for (const one of clicked) one.click?.() ?? one.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  const unreachable = clicked.filter((one) => one.tabIndex < 0 && !(one instanceof SVGElement));
  await new Promise((done) => setTimeout(done, 50));
  const named = (some) => some.map((one) => one.outerHTML);
  return { clicked: clicked.length, broken: named(broken), unreachable: named(unreachable) };
"""
# Gives every text with too little contrast by WCAG 2.2, level AA, how many were looked at, and how wide the page is.
LOOK = """
  for (const details of document.querySelectorAll("details")) details.open = true;
  const numbers = (colour) => {
    const values = colour.match(/[\\d.]+/g).map(Number);
    return colour.startsWith("color(") ? values.map((value, place) => place < 3 ? 255 * value : value) : values;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [red, green, blue, opacity = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (opacity > 0) return [red, green, blue];
    }
    return numbers(getComputedStyle(document.body).backgroundColor);
  };
  const light = (colour) => colour.slice(0, 3).map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const pale = [];
  let checked = 0;
  for (const element of document.querySelectorAll("body *:not(svg *):not(option):not(script):not(style)")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || !element.checkVisibility()) continue;
    checked += 1;
    const [one, other] = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) pale.push(element.outerHTML.slice(0, 200));
  }
  const { scrollWidth: width, clientWidth: room } = document.documentElement;
  return { pale, checked, width, room, ground: getComputedStyle(document.body).backgroundColor };
"""


def find_browser() -> str:
    """Chromium or Chrome; without one the test is skipped."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        pytest.skip(f"needs a browser to open the page in: none of {', '.join(_NAMES)} is installed")
    return found


def open_page(page: Path, script: str, folder: Path, width: int = 1280, dark: bool = False) -> Any:
    """Opens a copy of the page in a frame of `width` px and gives what `script`, the body of an async function, returns.

    Errors of the page, of its scripts and of `script` fail the test.
    """
    copy, frame = folder / "page.html", folder / "frame.html"
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{_LISTEN}", 1)
    copy.write_text(text.replace("</body>", _RUN.format(script=script) + "</body>"), encoding="utf-8")
    frame.write_text(_FRAME.format(width=width), encoding="utf-8")
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={max(width, 500)},900", *([_DARK] * dark)]
    command = [find_browser(), *flags, "--dump-dom", frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)
    outcome = re.search(r'<pre id="outcome">(.+?)</pre>', shown.stdout, re.DOTALL)
    assert outcome, f"the page said nothing: {shown.stderr[-2000:]}"
    said = json.loads(html.unescape(outcome[1]))
    assert said["errors"] == []
    return said["seen"]
