#!/usr/bin/env python3
"""Uses the gateway's page in a browser as a person would, on a telephone's screen.

usage: gateway_page.py CASE URL PROFILE [PICTURE]

Starts chromium without a window, with the folder PROFILE for its files, and runs one of the functions
named case_* on the page at URL; PICTURE is a PNG file of how the page looks at the end. Exit 0 when
everything is as it must be. Nothing here waits without a deadline.
"""
import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time

DEADLINE_SECONDS = 60
WIDTH, HEIGHT = 360, 800
TOKEN = "sample-token-5f3a"


def expect(is_so, text):
    if not is_so:
        raise SystemExit(f"gateway_page.py: {text}")


class Browser:
    """Speaks the browser's own protocol over a pair of pipes: it reads from 3 and writes to 4."""

    def __init__(self, profile):
        self.number, self.buffer, self.events, self.session = 0, b"", [], None
        theirs_in, self.out = os.pipe()
        self.input, theirs_out = os.pipe()
        # Away from 3 and 4, so that neither is overwritten before it is copied.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
             "--hide-scrollbars", "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(3, 4), preexec_fn=lambda: (os.dup2(high[0], 3), os.dup2(high[1], 4)))
        for fd in high:
            os.close(fd)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT,
                  deviceScaleFactor=1, mobile=True)

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait(DEADLINE_SECONDS)

    def receive(self):
        end = time.monotonic() + DEADLINE_SECONDS
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.input], [], [], max(0, end - time.monotonic()))
            data = os.read(self.input, 65536) if ready else b""
            expect(data, "the browser does not answer")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                expect("error" not in answer, f"{method}: {answer.get('error')}")
                return answer["result"]
            self.events.append(answer)

    def run(self, script):
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        expect("exceptionDetails" not in result, f"{script}: {result.get('exceptionDetails')}")
        return result["result"].get("value")

    def wait(self, script):
        """Until an expression is true."""
        end = time.monotonic() + DEADLINE_SECONDS
        while not self.run(f"Boolean({script})"):
            expect(time.monotonic() < end, f"never true: {script}")
            time.sleep(0.02)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.querySelectorAll('details').length > 50")

    def complaints(self):
        """Exceptions and whatever the browser refused to do."""
        return [e["params"] for e in self.events
                if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]


def details(path):
    return f"[...document.querySelectorAll('details')].find(d => d.querySelector('code').textContent === '{path}')"


def log_in(browser):
    browser.run("document.getElementById('user').value = 'immudb'")
    browser.run("document.getElementById('password').value = 'secret-8c21'")
    browser.run("document.getElementById('login').requestSubmit()")
    browser.wait("!document.getElementById('session').hidden")


def send(browser, path):
    """Opens a path and sends what its form holds at first."""
    found = details(path)
    browser.run(f"{found}.open = true")
    browser.wait(f"{found}.querySelector('form')")
    browser.run(f"{found}.querySelector('form').requestSubmit()")
    browser.wait(f"{found}.querySelector('.answer pre')")
    return browser.run(f"{found}.querySelector('.answer').innerText")


def case_every_path_fits(browser):
    """Each form can be opened, and nothing is wider than the screen."""
    expect(browser.run("document.querySelectorAll('details').length") > 80, "paths are missing")
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.wait("[...document.querySelectorAll('details')].every(d => d.querySelector('form'))")
    width = browser.run("document.documentElement.scrollWidth")
    expect(width <= WIDTH, f"the page is {width} wide")
    unlabelled = browser.run("[...document.querySelectorAll('input, select, textarea')]"
                             ".filter(i => i.labels.length === 0).length")
    expect(unlabelled == 0, f"{unlabelled} inputs have no label")
    text = browser.run(details("/db/verified/get") + ".innerText")
    expect("keyRequest" in browser.run(details("/db/verified/get") + ".querySelector('textarea').value"),
           "no example")
    expect("curl" in text and "/db/verified/get" in text, "no line for curl")


def case_the_token_is_kept_in_memory(browser):
    """It is in no storage, in no cookie, and nowhere on the page; a reload forgets it."""
    log_in(browser)
    for place in ("localStorage.length", "sessionStorage.length", "document.cookie.length"):
        expect(browser.run(place) == 0, f"{place} is not 0")
    send(browser, "/db/get/{key}")
    page = browser.run("document.documentElement.outerHTML")
    expect(TOKEN not in page and "secret-8c21" not in page, "a secret is on the page")
    expect(browser.run("document.getElementById('password').value") == "", "the password stays")
    browser.call("Page.reload")
    browser.wait("document.readyState === 'complete' && document.querySelectorAll('details').length > 50")
    expect(not browser.run("document.getElementById('login').hidden"), "still logged in")


def case_an_answer_is_shown(browser):
    """To the last digit, with what its base64 says; markup in it is text."""
    log_in(browser)
    answer = send(browser, "/db/get/{key}")
    expect("200" in answer and "18446744073709551615" in answer, f"answer: {answer}")
    expect("value: world" in answer, "the value is not decoded")
    answer = send(browser, "/serverinfo")
    expect("<img src=x onerror=document.title='broken'>" in answer, f"answer: {answer}")
    expect(browser.run("document.title") == "immugw" and
           browser.run("document.querySelectorAll('img').length") == 0, "an answer became markup")
    answer = send(browser, "/db/countall")
    expect("404" in answer, f"answer: {answer}")


def case_databases_are_chosen(browser):
    """By the form above; what fails says so."""
    log_in(browser)
    browser.run("document.getElementById('database').value = 'payments'")
    browser.run("document.getElementById('use').click()")
    browser.wait("document.getElementById('where').textContent === 'payments'")
    browser.run("document.getElementById('database').value = 'missing'")
    browser.run("document.getElementById('use').click()")
    browser.wait("document.getElementById('session-note').textContent.includes('does not exist')")
    expect(browser.run("document.getElementById('where').textContent") == "payments", "it changed")


def case_paths_are_found(browser):
    """By their words."""
    search = "document.getElementById('filter')"
    browser.run(f"{search}.value = 'zadd'; {search}.dispatchEvent(new Event('input'))")
    shown = browser.run("[...document.querySelectorAll('details')].filter(d => d.checkVisibility())"
                        ".map(d => d.querySelector('code').textContent)")
    expect(len(shown) >= 5 and all("zadd" in path for path in shown), f"found: {shown}")
    browser.run(f"{search}.value = 'no such words'; {search}.dispatchEvent(new Event('input'))")
    expect(browser.run("document.getElementById('paths-note').textContent") != "", "silence")
    browser.run("const t = document.getElementById('plain'); t.value = 'h\\u00e9';"
                "t.dispatchEvent(new Event('input'))")
    expect(browser.run("document.getElementById('encoded').value") == "aMOp", "base64 is wrong")


def main():
    case, url, profile = sys.argv[1:4]
    browser = Browser(profile)
    try:
        browser.open(url)
        globals()["case_" + case](browser)
        if len(sys.argv) > 4:
            picture = browser.call("Page.captureScreenshot", captureBeyondViewport=False)
            with open(sys.argv[4], "wb") as file:
                file.write(base64.b64decode(picture["data"]))
        # An answer of 404 is an entry too: that one was asked for.
        complaints = [c for c in browser.complaints()
                      if "status of 404" not in c.get("entry", {}).get("text", "")]
        expect(not complaints, f"the browser complains: {complaints}")
        browser.close()
    finally:
        browser.process.kill()
        browser.process.wait()


main()
