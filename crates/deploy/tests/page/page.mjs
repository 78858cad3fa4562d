// Talks to the chat page in a headless Chromium, on a desktop and on a phone.
//
//   node page.mjs URL FOLDER [MESSAGE]
//
// URL is a running `deploy serve`, FOLDER takes screenshots. Without MESSAGE the server must be the one of the tests,
// whose model says back what was said; with it, any model will do, and only what holds for all of them is checked.
// CHROMIUM names the browser, PLAYWRIGHT_CORE the folder of playwright-core where it is not beside this file.
// The exit code is 77 where something needed is not installed.

import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [url, folder, message] = process.argv.slice(2);
const chromium = await library();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

async function library() {
  const named = process.env.PLAYWRIGHT_CORE;
  try {
    const module = named
      ? await import(pathToFileURL(join(named, "index.mjs")).href)
      : await import("playwright-core");
    return module.chromium;
  } catch (error) {
    console.error(`playwright-core is not installed (npm install in ${import.meta.dirname}): ${error.code}`);
    process.exit(77);
  }
}

const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 }, locale: "en-US" },
  phone: {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    locale: "ko-KR",
    colorScheme: "dark",
  },
};

/** Opens the page; whatever it complains about fails the check. */
async function open(device) {
  const context = await browser.newContext(DEVICES[device]);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (line) => {
    // A status that the check itself provokes is not a fault of the page.
    if (line.type() === "error" && !line.text().includes("Failed to load resource")) {
      complaints.push(line.text());
    }
  });
  await page.goto(url);
  const shot = (name) => page.screenshot({ path: join(folder, `${device}-${name}.png`) });
  return { page, complaints, shot };
}

const last = (page) => page.locator(".turn").last().locator("span:not(.speaker)");
const idle = (page) => page.waitForFunction(() => !document.body.classList.contains("busy"));
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

async function says(page, text, reply) {
  await page.fill("#input", text);
  await page.click("#send");
  await idle(page);
  assert.equal(await last(page).textContent(), reply);
}

async function anyModel(device) {
  const { page, complaints, shot } = await open(device);
  await shot("welcome");
  await page.fill("#input", message);
  await page.click("#send");
  await page.waitForFunction(() => document.querySelectorAll(".turn").length === 2);
  await idle(page);
  assert.ok((await last(page).textContent()).length > 0);
  assert.ok(await fits(page));
  await shot("talk");
  console.log(`${device}: ${message} -> ${await last(page).textContent()}`);
  assert.deepEqual(complaints, []);
}

async function desktop() {
  const { page, complaints, shot } = await open("desktop");
  await shot("welcome");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.waitForFunction(() => document.title === "parrot");
  assert.ok(await page.locator("#send").isDisabled());

  // Enter sends, Shift+Enter does not, and neither does an Enter that ends a composed syllable.
  await page.locator("#input").pressSequentially("안녕");
  await page.keyboard.press("Shift+Enter");
  await page.locator("#input").pressSequentially("하세요");
  const composed = await page.evaluate(() => {
    const input = document.getElementById("input");
    const enter = (more) => new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more });
    const taken = [enter({ isComposing: true }), enter({ keyCode: 229 })].map((event) => !input.dispatchEvent(event));
    return taken;
  });
  assert.deepEqual(composed, [false, false]);
  assert.equal(await page.locator(".turn").count(), 0);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".turn.user");
  await idle(page);
  assert.equal(await page.locator(".turn.user").textContent(), "You: 안녕\n하세요");
  assert.equal(await last(page).textContent(), "네, 안녕\n하세요");

  // Text is text.
  await says(page, "<img src=x onerror=alert(1)> **", "네, <img src=x onerror=alert(1)> **");
  assert.equal(await page.locator("#talk img").count(), 0);

  // Words come one after another, and Esc stops them.
  await page.fill("#input", "forever");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /x{5}/.test(document.querySelector("#talk").lastElementChild.textContent));
  await shot("writing");
  await page.keyboard.press("Escape");
  await idle(page);
  const stopped = await last(page).textContent();
  assert.match(stopped, /^x+$/);
  await page.waitForTimeout(200);
  assert.equal(await last(page).textContent(), stopped);

  // The talk outlives the page, and the model has read all of it.
  await page.reload();
  assert.equal(await page.locator(".turn").count(), 6);
  assert.equal(await last(page).textContent(), stopped);
  await says(page, "다시", "네, 다시");
  await shot("talk");

  // An error leaves a way to try again.
  await page.route("**/v1/chat/completions", (route) => route.abort(), { times: 1 });
  await page.fill("#input", "끊김");
  await page.click("#send");
  await page.waitForSelector(".error");
  await shot("error");
  await page.click(".error button");
  await page.waitForFunction(() => !document.querySelector(".error"));
  await idle(page);
  assert.equal(await last(page).textContent(), "네, 끊김");

  // A model that fails in the middle is no reply.
  await page.fill("#input", "panic");
  await page.click("#send");
  await page.waitForSelector(".error");
  await idle(page);
  await says(page, "그래도", "네, 그래도");
  assert.equal(await page.getByText("panic").count(), 0);

  await page.click("#new");
  assert.equal(await page.locator(".turn").count(), 0);
  await page.reload();
  assert.equal(await page.locator(".turn").count(), 0);
  assert.ok(await page.locator("#welcome").isVisible());
  assert.deepEqual(complaints, []);
}

/** Bytes in pieces that end inside characters, lines and events, with a line end of two bytes and a comment. */
async function pieces() {
  const { page, complaints } = await open("desktop");
  await page.evaluate(() => {
    const chunk = (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\r\n\r\n`;
    const text = `: hello\n\n${chunk("가나")}${chunk("다 🙂")}data: [DONE]\n\n`;
    const bytes = new TextEncoder().encode(text);
    const whole = window.fetch;
    window.fetch = (where, options) => {
      if (!String(where).includes("completions")) {
        return whole(where, options);
      }
      let at = 0;
      const body = new ReadableStream({
        pull(controller) {
          if (at === bytes.length) {
            controller.close();
          } else {
            controller.enqueue(bytes.slice(at, (at += 1)));
          }
        },
      });
      return Promise.resolve(new Response(body));
    };
  });
  await says(page, "조각", "가나다 🙂");
  assert.deepEqual(complaints, []);
}

async function phone() {
  const { page, complaints, shot } = await open("phone");
  await shot("welcome");
  assert.equal(await page.locator("html").getAttribute("lang"), "ko");
  await page.tap("#starters button >> nth=0");
  await page.waitForFunction(() => document.querySelectorAll(".turn").length === 2);
  await idle(page);
  assert.equal(await last(page).textContent(), "네, 안녕하세요");

  // On a touch keyboard Enter is a new line.
  await page.locator("#input").pressSequentially("첫 줄");
  await page.keyboard.press("Enter");
  await page.locator("#input").pressSequentially("둘째 줄");
  assert.equal(await page.locator("#input").inputValue(), "첫 줄\n둘째 줄");
  await page.tap("#send");
  await idle(page);
  assert.equal(await last(page).textContent(), "네, 첫 줄\n둘째 줄");

  const long = "띄어쓰기없이아주길게이어지는말".repeat(12);
  await says(page, long, `네, ${long}`);
  for (let turn = 0; turn < 3; turn += 1) {
    await says(page, `긴 대화에서도 마지막 말이 보여야 합니다. ${turn}`, `네, 긴 대화에서도 마지막 말이 보여야 합니다. ${turn}`);
  }
  assert.ok(await fits(page));
  assert.ok(await last(page).isVisible());
  const seen = await page.evaluate(() => {
    const reply = document.querySelector("#talk").lastElementChild.getBoundingClientRect();
    const composer = document.getElementById("composer").getBoundingClientRect();
    return { above: reply.bottom <= composer.top, inside: composer.bottom <= window.innerHeight };
  });
  assert.deepEqual(seen, { above: true, inside: true });
  const targets = await page.evaluate(() =>
    [...document.querySelectorAll("button")]
      .filter((button) => button.offsetParent !== null)
      .map((button) => button.getBoundingClientRect().height),
  );
  assert.ok(targets.every((height) => height >= 40), `buttons of ${targets} px`);
  await shot("talk");
  assert.deepEqual(complaints, []);
}

try {
  if (message === undefined) {
    await desktop();
    await pieces();
    await phone();
  } else {
    await anyModel("desktop");
    await anyModel("phone");
  }
} finally {
  await browser.close();
}
