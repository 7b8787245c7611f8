"""Debian's Chromium or another Chrome, without a window, through its driver."""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AXE = ROOT / ".cache" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `npm install --prefix .cache axe-core` puts the checker of accessibility."""


class Browser:
    """A browser with one tab.

    Args:
        driver: Selenium's driver.
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, *, width=1280, dark=False):
        """Open a page with a width in pixels and a color scheme; forget all earlier logs."""
        self.run("Emulation.setDeviceMetricsOverride", width=width, height=900,
                 deviceScaleFactor=1, mobile=False)  # fmt: skip
        self.set_color_scheme("dark" if dark else "light")
        self.driver.get("about:blank")
        self.errors()
        self.requests()
        self.driver.get(path.as_uri())

    def set_color_scheme(self, name):
        """Prefer a color scheme, and no motion, so that a click finds its target in place."""
        features = {"prefers-color-scheme": name, "prefers-reduced-motion": "reduce"}
        media = [{"name": key, "value": value} for key, value in features.items()]
        self.run("Emulation.setEmulatedMedia", features=media)

    def run(self, command, **parameters):
        """Run a command of Chrome's DevTools, and return its answer."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def evaluate(self, script, *arguments):
        """Return the value of a function's body in JavaScript; a promise is waited for."""
        code = "const done = arguments[arguments.length - 1]; const own = [...arguments];"
        code += "Promise.resolve((function (...args) {" + script + "})(...own.slice(0, -1)))"
        return self.driver.execute_async_script(code + ".then(done)", *arguments)

    def errors(self):
        """Return the errors in the console since the last call."""
        return [x["message"] for x in self.driver.get_log("browser") if x["level"] == "SEVERE"]

    def requests(self):
        """Return the addresses requested since the last call, without those inside the page."""
        messages = [json.loads(x["message"])["message"] for x in self.driver.get_log("performance")]
        urls = [
            x["params"]["request"]["url"]
            for x in messages
            if x["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("data:", "blob:", "about:"))]

    def draw_all(self):
        """Scroll to every figure, and wait until all are drawn."""
        self.evaluate(
            """
            const holders = [...document.querySelectorAll(".figure .chart")];
            document.querySelectorAll("details").forEach((node) => { node.open = true; });
            return (async () => {
              for (const holder of holders) {
                holder.scrollIntoView();
                while (!holder.classList.contains("drawn"))
                  await new Promise((next) => setTimeout(next, 20));
                await holder.drawing;
              }
              scrollTo(0, 0);
            })();
            """
        )


@contextmanager
def start_browser():
    """Start the browser, or skip the test if it is not installed."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver_file = shutil.which("chromedriver")
    if not (chromium and driver_file):
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver_file)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(600)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def axe_findings(browser):
    """Return the serious and critical findings of axe-core, or skip the test without it."""
    if not AXE.is_file():
        pytest.skip("needs axe-core: npm install --prefix .cache axe-core")
    browser.driver.execute_script(AXE.read_text("utf-8"))
    result = browser.evaluate("return axe.run(document, {resultTypes: ['violations']});")
    return [
        (finding["id"], [node["html"][:300] for node in finding["nodes"][:3]])
        for finding in result["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
