"""A headless Chromium and the demo it looks at, for tests/browser."""
import base64
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

__all__ = ["Browser", "Demo", "Keys", "WebDriverException", "look"]

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars --disable-lcd-text --window-size=1280,900""".split()
SCRIPT = (pathlib.Path(__file__).parent / "browsing.js").read_text()
# Seconds for anything that is waited for: generous, since a machine may be busy.
PATIENCE = 180


def wait(condition, what):
    end = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE} s for {what}")
        time.sleep(0.05)
    return result


class Demo:
    """The exporter's demo, with so many customers or as it is; its customers are known once it is entered."""

    def __init__(self, exporter, customers):
        size = [] if customers is None else [f"--customers={customers}"]
        self.customers = customers
        self.log = tempfile.TemporaryFile("w+")
        command = [exporter, "demo", *size, "--web.listen-address=127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self):
        try:
            said = ""
            while not (found := re.search(r"http://\S+/(?=\s)", said)):
                line = self.process.stdout.readline()
                if not line:
                    self.log.seek(0)
                    raise RuntimeError(f"the demo ended: {said}{self.log.read()}")
                said += line
            self.url = found[0]
            wait(self._is_known, f"{self.customers} customers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def _is_known(self):
        status = self.json("api/v1/status")
        return status["ready"] and (self.customers is None or status["customers"] == self.customers)

    def wait_until_polled(self):
        def is_polled():
            partners = self.json("api/v1/status")["partners"]
            return all(partner["targets"]["pending"] == 0 and partner["customers"] for partner in partners)

        wait(is_polled, "all polls")

    def get(self, path):
        """Past any proxy; the connection is made before the clock starts."""
        connection = http.client.HTTPConnection(self.url.split("/")[2], timeout=PATIENCE)
        connection.connect()
        start = time.perf_counter()
        connection.request("GET", "/" + path)
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - start
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body!r}")
        return body, took

    def json(self, path):
        return json.loads(self.get(path)[0])

    def took(self):
        """Seconds until all of the status page had come."""
        return self.get("")[1]


@contextlib.contextmanager
def look(exporter, sizes):
    """Demos of these sizes, side by side."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Demo(exporter, size)) for size in sizes]


class Browser:
    """A Chromium with a profile of its own."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in [*FLAGS, f"--user-data-dir={self.profile.name}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.unhandled_prompt_behavior = "ignore"
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.emulate(1280, 900, "light")
        self.requests()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        self.profile.cleanup()

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def emulate(self, width, height, scheme):
        """A screen, a phone's if it is narrow, in a light or dark scheme."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 500)

    @property
    def url(self):
        return self.driver.current_url

    @property
    def title(self):
        return self.driver.title

    def get(self, url):
        self.driver.get(url)

    def run(self, question, *arguments):
        """One of the questions of browsing.js."""
        return self.driver.execute_script(SCRIPT, question, arguments)

    def console(self):
        """What was logged since this was asked last: errors, warnings, what the policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """What pages asked for since this was asked last."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def dialog(self):
        try:
            return self.driver.switch_to.alert.text
        except NoAlertPresentException:
            return None

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def count(self, selector):
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector):
        return self.one(selector).text

    def texts(self, selector):
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def lines(self, selector):
        return self.run("lines", selector)

    def value(self, name):
        return self.one(f"[name={name}]").get_attribute("value")

    def choose(self, name, value):
        Select(self.one(f"[name={name}]")).select_by_value(value)

    def type(self, keys):
        self.driver.switch_to.active_element.send_keys(keys)

    def tab_to(self, name):
        """Presses Tab until the focus is there; what has the focus then."""
        for _ in range(40):
            self.type(Keys.TAB)
            if self.run("focused") == name:
                break
        return self.run("focused")

    def click(self, selector):
        self._leave(lambda: self.one(selector).click())

    def press(self, selector):
        """Clicks on what stays on the page."""
        self.one(selector).click()

    def follow(self, words):
        self._leave(lambda: self.driver.find_element(By.LINK_TEXT, words).click())

    def _leave(self, act):
        """Does what loads another page, and waits for it."""
        self.driver.execute_script("window.isOld = true")
        act()
        self.until(self._is_new)

    def _is_new(self):
        return self.driver.execute_script("return !window.isOld && document.readyState === 'complete'")

    def is_renewed(self):
        """Waits until the page has loaded itself again."""
        self.driver.execute_script("window.isOld = true")
        return self.until(self._is_new)

    def until(self, condition):
        return wait(condition, "the browser")
