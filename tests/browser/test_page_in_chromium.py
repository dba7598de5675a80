"""The page in a real browser: pairing, answers, keyboard, accessibility, and what hostile pages cannot do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fakes import TOKEN, FakePlugin
from lighthouse import lighthouse_report
from page_client import new_address
from running_app import RunningApp
from sample_history import YESTERDAY, fill_history
from sample_sessions import sample_sessions
from tray.core.commands import ListDevices, RevokeDevices
from tray.core.devices import Scope, device_token
from tray.storage.history.search import SessionQuery, find_sessions
from tray.storage.history.usage import usage
from tray.system.local_day import number_of
from tray_process import free_port
from waiting import run, until_async
from web_server import serving

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
RECORD_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({ type: "layout-shift", buffered: true })"""
PAGES = {
    "#/": ".card",
    "#/s/ses_refund": ".messages",
    "#/history": ".records .rows",
    "#/usage": ".usage .tiles, .usage .empty",
    "#/answers": ".records .empty",
    "#/devices": ".devices li",
}


class OpenPage:
    """A browser with the page of a running app, and everything that it loaded or complained about."""

    def __init__(self, running: RunningApp, browser: Any, plugins: dict[str, FakePlugin]) -> None:
        self.running = running
        self.plugins = plugins  # by project
        self.browser = browser
        self.loaded: list[str] = []
        self.errors: list[str] = []

    async def open(self, **options: Any) -> Any:
        """Pair a new browser profile and return its page, which shows the list."""
        context = await self.browser.new_context(**options)
        page = await context.new_page()
        page.on("request", lambda request: self.loaded.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        await page.goto(await new_address(self.running))
        await page.wait_for_selector("[data-item]")
        return page


@pytest.fixture
def with_sessions(tmp_path: Path, chromium: Callable[[], Any]) -> Callable[[], Any]:
    """Return a context manager with an app, sessions in every state, and a browser."""

    @asynccontextmanager
    async def start(*arguments: str) -> AsyncIterator[OpenPage]:
        async with (
            RunningApp(tmp_path) as running,
            sample_sessions(running) as plugins,
            chromium(*arguments) as browser,
        ):
            opened = OpenPage(running, browser, plugins)
            yield opened
            assert opened.errors == []

    return start


def port_of(page: Any) -> int:
    return int(page.url.split(":")[2].split("/")[0])


def asked(running: RunningApp) -> set[str]:
    return {request["id"] for session in running.app.status()["sessions"] for request in session["requests"]}


def test_a_browser_pairs_shows_the_requests_and_loads_only_own_files(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            assert "c=" not in page.url
            assert await page.locator(".card").count() == 3
            assert "pnpm prisma migrate deploy" in await page.locator(".card").first.inner_text()
            assert "1 of 3" in await page.locator(".card").first.inner_text()
            assert await page.title() == "(2) OpenCode Tray"
            for fragment, selector in PAGES.items():
                await page.evaluate("hash => { location.hash = hash }", fragment)
                await page.wait_for_selector(selector)
            origin = page.url.split("#")[0]
            assert all(url.startswith((origin, origin.replace("http", "ws"))) for url in opened.loaded)
            assert await page.context.cookies() == []
            await page.reload()  # the token is kept
            await page.wait_for_selector(".devices li")

    run(test())


def test_the_keyboard_answers_the_focused_request_and_moves_on(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.keyboard.press("j")
            await page.keyboard.press("a")
            await until_async(lambda: "per_migrate" not in asked(opened.running))
            await page.wait_for_selector("text=Allowed once: bash")
            await page.wait_for_selector("[data-request=per_edit]:focus")
            await page.locator("[data-request=que_nodes]").focus()
            await page.keyboard.press("2")
            await asyncio.sleep(1.1)  # the pause of the click guard
            await page.keyboard.press("Enter")
            await until_async(lambda: "que_nodes" not in asked(opened.running))
            await page.keyboard.press("Control+k")
            await page.wait_for_selector(".palette[open]")
            await page.keyboard.type("date pick")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("h2:has-text('Keyboard access in the date picker')")
            await page.keyboard.press("Escape")
            await page.wait_for_selector(".overview")

    run(test())


def test_a_second_answer_at_once_is_refused(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.evaluate(
                """() => {
                    document.querySelector("[data-request=per_migrate] .primary").click();
                    document.querySelector("[data-request=per_edit] .primary").click();
                }"""
            )
            await page.wait_for_selector("text=Look again")
            await page.wait_for_selector("[data-request=per_migrate]", state="detached")
            assert "per_edit" in asked(opened.running)

    run(test())


def test_always_shows_its_patterns_and_asks_again(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            card = page.locator("[data-request=per_migrate]")
            await page.wait_for_timeout(800)  # the pause after which clicks count
            await card.get_by_role("button", name="Always").click()
            assert await card.locator(".patterns").inner_text() == "pnpm prisma *"
            assert "per_migrate" in asked(opened.running)
            await card.get_by_role("button", name="Confirm: always allow").click()
            await until_async(lambda: "per_migrate" not in asked(opened.running))
            await page.evaluate("location.hash = '#/answers'")
            await page.wait_for_selector(".answers li:has-text('Allowed always')")
            assert "Always: pnpm prisma *" in await page.locator(".answers li").first.inner_text()

    run(test())


def test_a_session_is_prompted_renamed_and_deleted_after_a_question(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.evaluate("location.hash = '#/s/ses_dark'")
            await page.get_by_label("Prompt").fill("Go on")
            await page.keyboard.press("Control+Enter")
            await page.wait_for_selector(".notices:has-text('Sent')")
            await page.get_by_role("button", name="Rename").click()
            title = page.get_by_label("Title")
            assert await title.input_value() == "Dark mode for the settings page"
            await title.fill("Dark mode")
            await page.keyboard.press("Enter")
            await page.wait_for_selector(".notices:has-text('Renamed')")
            await page.get_by_role("button", name="Delete").click()
            question = page.get_by_role("dialog")
            assert "Permanently delete “Dark mode for the settings page”?" in await question.inner_text()
            await page.keyboard.press("Enter")  # the button that has the focus does not delete
            await question.wait_for(state="hidden")
            assert "Deleted" not in await page.locator(".notices").inner_text()
            await page.get_by_role("button", name="Delete").click()
            await question.get_by_role("button", name="Delete").click()
            await page.wait_for_selector(".notices:has-text('Deleted')")
            await page.wait_for_selector(".overview")

    run(test())


def test_two_pages_that_answer_at_once_send_one_answer(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            pages = [await opened.open(), await opened.open()]
            buttons = [
                await page.query_selector(f"[data-request=per_migrate] [data-key={key}]")
                for page, key in zip(pages, "ar", strict=True)
            ]
            await asyncio.gather(*(button.evaluate("button => button.click()") for button in buttons))
            for page in pages:
                await page.wait_for_selector("[data-request=per_migrate]", state="detached")
            entries = opened.running.paths.audit.read_text(encoding="utf-8").splitlines()
            assert len(entries) == 2  # "sending" and "answered" of one answer
            notices = [await page.locator(".notices p").inner_text() for page in pages]
            assert sum("Already answered by" in notice for notice in notices) == 1

    run(test())


def test_a_click_on_a_card_that_has_just_moved_answers_nothing(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.wait_for_timeout(800)
            await page.evaluate(
                """() => new Promise((resolve) => {
                    const seen = new MutationObserver(() => {
                        if (document.querySelector("[data-request=per_migrate]")) return;
                        const button = document.querySelector("[data-request=per_edit] .primary");
                        button.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
                        resolve();
                    });
                    seen.observe(document.body, { childList: true, subtree: true });
                    document.querySelector("[data-request=per_migrate] .primary").click();
                })"""
            )
            await page.wait_for_selector("text=The cards have just moved")
            assert "per_edit" in asked(opened.running)

    run(test())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_there_are_no_accessibility_violations(with_sessions: Callable[[], Any], axe: str, scheme: str) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            found = {}
            fill_history(opened.running.paths.history)
            page = await opened.open(color_scheme=scheme, reduced_motion="reduce")
            await page.evaluate(axe)
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 844})
                for fragment, selector in {**PAGES, f"#/s/{YESTERDAY}": ".timeline"}.items():
                    await page.evaluate("hash => { location.hash = hash }", fragment)
                    await page.wait_for_selector(selector)
                    result = await page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
                    for violation in result["violations"]:
                        found[f"{width} {fragment} {violation['id']}"] = [n["html"] for n in violation["nodes"]][:3]
                    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, fragment)
            assert not found, json.dumps(found, indent=1)

    run(test())


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_the_sessions_arrive(with_sessions: Callable[[], Any], width: int) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            context = await opened.browser.new_context(viewport={"width": width, "height": 823})
            page = await context.new_page()
            await page.add_init_script(RECORD_SHIFTS)
            slowly = await context.new_cdp_session(page)  # else the sessions may be there before the first frame
            await slowly.send("Emulation.setCPUThrottlingRate", {"rate": 4})
            await page.goto(await new_address(opened.running))
            await page.wait_for_selector(".card")
            await page.wait_for_selector("footer")
            assert await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))") is None
            assert sum(await page.evaluate("window.shifts")) < 0.01

    run(test())


@pytest.mark.parametrize("preset", ["desktop", "mobile"])
def test_lighthouse_finds_no_fault_in_accessibility_and_practices(
    with_sessions: Callable[[], Any], lighthouse: str, tmp_path: Path, preset: str
) -> None:
    async def test() -> None:
        port = free_port()
        async with with_sessions(f"--remote-debugging-port={port}") as opened:
            categories = ("accessibility", "best-practices")
            report = await lighthouse_report(lighthouse, await new_address(opened.running), port, preset, categories)
            assert {name: category["score"] for name, category in report["categories"].items()} == dict.fromkeys(
                categories, 1
            )

    run(test(), 120)


def test_a_past_session_is_found_read_annotated_and_removed(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            path = opened.running.paths.history
            fill_history(path)
            page = await opened.open()
            await page.keyboard.press("g")
            await page.keyboard.press("h")
            await page.get_by_label("Search titles").fill("never be more than")
            await page.wait_for_selector(".hit:has-text('A refund may never be more than')")
            await page.evaluate("hash => { location.hash = hash }", f"#/s/{YESTERDAY}")
            await page.wait_for_selector(".timeline .asked")
            await page.get_by_role("button", name="Add a note").click()
            await page.get_by_role("dialog").locator("textarea").fill("Ask **Kim** about *rounding*")
            await page.keyboard.press("Control+Enter")
            await page.wait_for_selector(".remark strong:has-text('Kim')")
            await page.get_by_role("button", name="Tags").click()
            await page.get_by_role("dialog").locator("textarea").fill("money, later")
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Pin").click()
            await page.wait_for_selector(".tags:has-text('pinned')")
            await page.locator(".tags a", has_text="later").click()
            await page.wait_for_selector(".rows .tags:has-text('later')")
            assert await page.locator("[data-item]").count() == 1
            await page.get_by_label("Search titles").type("fix ", delay=20)
            await page.wait_for_timeout(500)  # what was typed is searched for after a pause
            await page.get_by_label("Search titles").type("it")
            assert await page.get_by_label("Search titles").input_value() == "fix it"
            await page.get_by_label("Search titles").fill("")
            await page.wait_for_selector(".rows .tags:has-text('later')")
            (found,) = find_sessions(path, SessionQuery("rounding"))
            assert (found.id, found.is_pinned, found.tags) == (YESTERDAY, 1, ("later", "money"))
            await page.locator("[data-item]").click()
            await page.get_by_role("button", name="Remove").click()
            await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
            await page.wait_for_selector(".notices:has-text('Removed from the history')")
            assert find_sessions(path, SessionQuery("rounding")) == []

    run(test())


def test_a_session_has_its_turns_in_the_timeline(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.evaluate("location.hash = '#/s/ses_refund'")
            await page.get_by_role("tab", name="Timeline").click()
            await page.wait_for_selector(".timeline .request:has-text('pnpm prisma migrate deploy')")
            card = page.locator("[data-request=per_migrate]").first
            await page.wait_for_timeout(800)  # the pause after which clicks count
            await card.get_by_role("button", name="Allow once").click()
            await page.wait_for_selector(".timeline .request:has-text('allowed once in the page after')")
            await page.get_by_role("button", name="Add a note").click()
            await page.get_by_role("dialog").locator("textarea").fill("Kept while it works")
            await page.keyboard.press("Control+Enter")
            await page.wait_for_selector(".remark")
            todos = [{"content": "Another todo", "status": "pending"}]
            await opened.plugins["shop-api"].event("todo.updated", sessionID="ses_refund", todos=todos)
            await page.wait_for_selector(".todos:has-text('Another todo')")  # the details were read again
            assert await page.locator(".remark").inner_text() == "Kept while it works"

    run(test())


def test_sounds_are_played_for_what_is_new_once_they_are_turned_on(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            await page.evaluate(
                """() => {
                    window.tones = [];
                    const start = OscillatorNode.prototype.start;
                    OscillatorNode.prototype.start = function (at) {
                        window.tones.push(this.frequency.value);
                        start.call(this, at);
                    };
                    window.spoken = [];
                    const voice = { localService: true, lang: "en" };
                    speechSynthesis.getVoices = () => [{ ...voice, localService: false }, voice];
                    window.SpeechSynthesisUtterance = function (text) { this.text = text; };
                    speechSynthesis.speak = ({ text, voice }) => window.spoken.push([text, voice.localService]);
                }"""
            )

            async def choose(words: str) -> None:
                await page.keyboard.press("Control+k")
                await page.wait_for_selector(".palette[open] input:focus")
                await page.keyboard.type(words)
                await page.wait_for_selector(f".palette li:first-child:has-text('{words}')")
                await page.keyboard.press("Enter")
                await page.wait_for_selector(".palette", state="hidden")

            async def ask(name: str) -> None:
                ask = {"id": name, "sessionID": "ses_docs", "permission": "bash", "metadata": {"command": name}}
                await opened.plugins["shop-api"].event("permission.asked", **ask)
                await page.wait_for_selector(f"[data-request={name}]")

            await ask("per_silent")
            assert await page.evaluate("[tones, spoken]") == [[], []]
            await choose("turn on sounds")
            await choose("turn on spoken")
            assert await page.evaluate("tones.splice(0).length * spoken.splice(0).length") > 0  # an example of each
            asking = {"sessionID": "ses_docs", "requestID": "per_silent", "reply": "once"}
            await opened.plugins["shop-api"].event("permission.replied", **asking)
            await page.wait_for_selector("[data-request=per_silent]", state="detached")
            await ask("per_loud")
            await until_async(lambda: page.evaluate("spoken.length === 1 && tones.length === 2"))
            assert await page.evaluate("spoken") == [["Document the webhook signatures needs you", True]]
            await choose("turn off sounds")
            await choose("turn off spoken")
            assert await page.evaluate("({ ...localStorage })") == {"sounds": "off", "speech": "off"}

    run(test())


def test_each_mark_of_the_usage_leads_to_what_is_behind_it(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            fill_history(opened.running.paths.history)
            page = await opened.open(viewport={"width": 1280, "height": 900})
            await page.keyboard.press("g")
            await page.keyboard.press("u")
            await page.locator(".groups a", has_text="openai/demo-large").click()
            await page.wait_for_selector(".chip:has-text('openai/demo-large')")
            await page.wait_for_selector("text=Turns are not recorded by model")
            await page.locator(".chip").click()
            await page.wait_for_selector("[aria-label='Turns by weekday and hour']")
            await page.locator(".scrolls a[tabindex='0']").focus()
            await page.keyboard.press("ArrowLeft")
            assert await page.evaluate("document.activeElement.tabIndex") == -1  # of the arrow keys only
            await page.locator(".scrolls a:has(.level-4)").last.focus()
            await page.keyboard.press("Enter")
            await page.wait_for_selector("input[aria-label='First day']")
            day = number_of(date.fromisoformat(await page.locator("input[aria-label='First day']").input_value()))
            (sums,) = usage(opened.running.paths.history, day, day)
            await page.wait_for_selector(f".tile:has-text('Steps') dd:text-matches('^{sums.steps}\\\\b')")
            async with page.expect_download() as saving:
                await page.get_by_role("button", name="Export CSV").click()
            saved = await (await saving.value).path()
            assert len((await asyncio.to_thread(saved.read_text, encoding="utf-8")).splitlines()) == 1 + sums.steps

    run(test())


@pytest.mark.fault
def test_a_tray_that_restarts_is_connected_again_with_the_same_token(
    tmp_path: Path, chromium: Callable[[], Any]
) -> None:
    async def test() -> None:
        async with chromium() as browser:
            page = await browser.new_page()
            async with RunningApp(tmp_path) as first:
                await page.goto(await new_address(first))
                await page.wait_for_selector("text=No sessions yet")
            await page.wait_for_selector(".lost")
            async with RunningApp(tmp_path, page_port=port_of(page)) as second, sample_sessions(second):
                await page.wait_for_selector(".lost", state="detached")
                await page.wait_for_selector(".card")

    run(test())


def test_a_used_code_and_a_revoked_browser_get_the_pairing_page(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open()
            address = await new_address(opened.running)
            assert (await page.context.request.post(  # a browser's own request from outside the page has no Origin
                address.partition("#")[0] + "api/pair", data={"code": address.partition("=")[2]}
            )).status == 403  # fmt: skip
            other = await (await opened.browser.new_context()).new_page()
            await other.goto(address)
            await other.wait_for_selector(".card")
            third = await (await opened.browser.new_context()).new_page()
            await third.goto(address)
            await third.wait_for_selector("text=this code was used")
            await opened.running.choose(RevokeDevices())
            await page.wait_for_selector(".unpaired", timeout=1000)
            assert all("401 (Unauthorized)" in error for error in opened.errors)  # its login
            opened.errors.clear()

    run(test())


READ_LOGIN = "import('/app/access.js').then(({ currentLogin }) => currentLogin())"
READ_KEY = """
() => new Promise((resolve) => {
  const opening = indexedDB.open("opencode-tray", 1);
  opening.onsuccess = () => {
    const read = opening.result.transaction("device").objectStore("device").get("own");
    read.onsuccess = () => crypto.subtle.exportKey("raw", read.result.key).then(
      () => resolve("read"), ({ name }) => resolve(name));
  };
})
"""
HOSTILE = """
async ([target, login]) => {
  const attempts = [];
  const body = JSON.stringify({ reply: "once", seen: "x" });
  const headers = { "content-type": "application/json", authorization: `Bearer ${login}` };
  const post = (mode, more) => fetch(`${target}api/requests/per_migrate/reply`, { method: "POST", body, mode, ...more })
    .then((answer) => attempts.push(`${mode} ${answer.type} ${answer.status}`), () => attempts.push(`${mode} failed`));
  await post("cors", { headers });
  await post("no-cors", { credentials: "include" });
  await fetch(`${target}api/audit`, { headers: { authorization: headers.authorization } }).then(
    () => attempts.push("read"), () => attempts.push("read failed"));
  await new Promise((resolve) => {
    const socket = new WebSocket(`${target.replace("http", "ws")}ws`);
    socket.onopen = () => { socket.send(JSON.stringify({ auth: login })); };
    socket.onmessage = () => { attempts.push("watched"); resolve(); };
    socket.onclose = () => { attempts.push("closed"); resolve(); };
  });
  return attempts;
}
"""


def test_a_program_that_takes_the_port_while_the_tray_is_stopped_learns_nothing(
    tmp_path: Path, chromium: Callable[[], Any]
) -> None:
    async def test() -> None:
        seen: list[tuple[str, dict[str, str], str]] = []

        async def impostor(request: web.Request) -> web.Response:
            seen.append((request.path, dict(request.headers), await request.text()))
            return web.json_response({"nonce": "ab" * 16, "proof": "cd" * 32, "scope": "act", "devices": []})

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", impostor)
        async with chromium() as browser:
            page = await browser.new_page()
            async with RunningApp(tmp_path) as first:
                await page.goto(await new_address(first))
                await page.wait_for_selector("text=No sessions yet")
                assert await page.evaluate(READ_KEY) == "InvalidAccessError"  # no script can read it
                login = await page.evaluate(READ_LOGIN)
                (device,) = (await first.choose(ListDevices())).result
            async with serving(application, port=port_of(page)):
                await page.wait_for_selector("text=Another program has the tray")
                await page.evaluate("location.hash = '#/devices'")
                await page.wait_for_selector(".records .problem, .records .warning, .records [role=alert]")
            assert {path for path, _, _ in seen} <= {"/api/login", "/favicon.svg"}
            assert {tuple(json.loads(body)) for path, _, body in seen if path == "/api/login"} == {("device", "nonce")}
            for _, headers, body in seen:
                assert "Authorization" not in headers
                assert device_token(TOKEN, device["id"]) not in str((headers, body))
                assert login not in str((headers, body))
            async with RunningApp(tmp_path, page_port=port_of(page)):
                await page.wait_for_selector(".lost", state="detached")
                assert await page.evaluate(READ_LOGIN) not in ("", login)

    run(test())


async def _hostile(_: web.Request) -> web.Response:
    return web.Response(text="<h1>hostile", content_type="text/html")


def test_the_worker_can_be_registered_again_under_the_policy_of_the_page(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await opened.open(permissions=["notifications"])
            notices = page.locator(".notices p")
            await page.evaluate("location.hash = '#/devices'")
            for attempt in (1, 2):
                await page.click("text=Turn on")
                await until_async(lambda wanted=attempt: has(notices, wanted), "what the browser says")
                assert "Registration failed" in await notices.last.inner_text()  # it has no push service
            assert await page.evaluate("navigator.serviceWorker.ready.then((it) => it.active.state)") == "activated"
            assert all("does not support the Push API in incognito mode" in error for error in opened.errors)
            opened.errors.clear()

    async def has(notices: Any, count: int) -> bool:
        return int(await notices.count()) >= count

    run(test())


def test_a_page_on_another_port_gets_nothing_even_with_a_login(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            own = await opened.open()
            login = await own.evaluate(READ_LOGIN)
            assert len(login) == 64
            application = web.Application()
            application.router.add_get("/", _hostile)
            async with serving(application) as port:
                page = await (await opened.browser.new_context()).new_page()
                for host in ("127.0.0.1", "localhost"):
                    await page.goto(f"http://{host}:{port}/")
                    target = own.url.split("#")[0]
                    attempts = await page.evaluate(HOSTILE, [target, login])
                    assert attempts == ["cors failed", "no-cors failed", "read failed", "closed"]
                    assert await page.evaluate("indexedDB.databases().then((all) => all.length)") == 0
            assert "per_migrate" in asked(opened.running)
            assert not opened.running.paths.audit.exists()

    run(test())


def test_a_browser_that_may_only_watch_is_offered_no_answer(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            page = await (await opened.browser.new_context()).new_page()
            await page.goto(await new_address(opened.running, Scope.WATCH))
            await page.wait_for_selector("text=This browser may only watch")
            assert await page.locator(".card button").count() == 0
            await page.evaluate("location.hash = '#/s/ses_refund'")
            await page.wait_for_selector(".messages")
            assert await page.locator(".head button, .prompt").count() == 0
            login = await page.evaluate(READ_LOGIN)
            answer = await page.evaluate(
                """async (login) => (await fetch("/api/requests/per_migrate/reply", {
                    method: "POST",
                    headers: { "content-type": "application/json", authorization: `Bearer ${login}` },
                    body: JSON.stringify({ reply: "once", seen: "x" }),
                })).status""",
                login,
            )
            assert answer == 403
            assert "per_migrate" in asked(opened.running)

    run(test())


def test_without_javascript_one_line_says_so(with_sessions: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_sessions() as opened:
            context = await opened.browser.new_context(java_script_enabled=False)
            page = await context.new_page()
            await page.goto(await new_address(opened.running))
            assert (await page.inner_text("body")).strip().startswith("This page needs JavaScript")

    run(test())
