"""A headless Chromium that is told what to do through a pipe, in the protocol of its developer tools."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page in a browser of its own; `events` collects what it reports."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM
        down, up = os.pipe(), os.pipe()
        options = (
            "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --mute-audio --no-first-run "
            f"--disable-background-networking --remote-debugging-pipe --user-data-dir='{profile}' about:blank"
        )
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec '{CHROMIUM}' {options} 3<&{down[0]} 4>&{up[1]}"],
            pass_fds=(down[0], up[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(down[0])
        os.close(up[1])
        self.write, self.read = down[1], up[0]
        self.buffer, self.number, self.session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **params: object) -> dict[str, Any]:
        """Give an order and wait for its result."""
        self.number += 1
        order = {"id": self.number, "method": method, "params": params}
        order |= {"sessionId": self.session} if self.session else {}
        os.write(self.write, json.dumps(order).encode() + b"\0")
        answer = self.wait(lambda event: event.get("id") == self.number)
        assert "error" not in answer, answer
        return answer["result"]

    def wait(self, there: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Wait for a message."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while b"\0" in self.buffer:
                text, _, self.buffer = self.buffer.partition(b"\0")
                event = json.loads(text)
                self.events.append(event)
                if there(event):
                    return event
            if select.select([self.read], [], [], 0.5)[0]:
                self.buffer += os.read(self.read, 1 << 20)
        raise TimeoutError(f"no such message in {seconds} s")

    def open(self, page: Path) -> None:
        """Open a file."""
        self.do("Page.navigate", url=page.as_uri())
        self.wait(lambda event: event.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Return what an expression is worth in the page."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 60) -> None:
        """Wait until an expression holds in the page."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"{expression} does not hold after {seconds} s"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Click into the middle of an element, as a mouse does."""
        place = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView(); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.do(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def requests(self) -> list[str]:
        """Return all addresses that were asked for, those inside the page left out."""
        asked = [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]

    def close(self) -> None:
        """End the browser."""
        try:
            self.session = None
            self.do("Browser.close")
        except (AssertionError, OSError, TimeoutError):
            self.process.kill()
        self.process.wait(30)
        os.close(self.write)
        os.close(self.read)
