// Opens a report in a headless Chromium, on a desktop and on a phone, in both languages, and in print.
//
//   node report.mjs FILE FOLDER
//
// FILE is a report.html, FOLDER takes screenshots. CHROMIUM names the browser, REPORT_TOOLS the folder whose node_modules has
// axe-core and playwright-core where they are not beside this file. The exit code is 77 where something needed is not
// installed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [file, folder] = process.argv.slice(2);
const { chromium, axe } = libraries();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"],
});

function libraries() {
  const require = createRequire(join(process.env.REPORT_TOOLS ?? import.meta.dirname, "here.js"));
  try {
    return { chromium: require("playwright-core").chromium, axe: require.resolve("axe-core/axe.min.js") };
  } catch (error) {
    console.error(`axe-core and playwright-core are not installed (npm install in ${import.meta.dirname}): ${error.code}`);
    process.exit(77);
  }
}

const DEVICES = {
  desktop: { viewport: { width: 1100, height: 900 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark" },
};

/** What axe-core finds that is serious; `bypassCSP` lets it into a page that admits no other script. */
async function check(device, language) {
  const context = await browser.newContext({ ...DEVICES[device], bypassCSP: true });
  const page = await context.newPage();
  await page.goto(pathToFileURL(file).href);
  await page.click(`[data-language=${language}]`);
  await page.addScriptTag({ path: axe });
  const found = await page.evaluate(() => window.axe.run());
  const serious = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(
    serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`),
    [],
    `${device}, ${language}`,
  );
  await context.close();
}

async function look(device) {
  const context = await browser.newContext(DEVICES[device]);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && complaints.push(line.text()));
  page.on("request", (request) => request.url().startsWith("file:") || complaints.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  for (const language of ["ko", "en"]) {
    await page.click(`[data-language=${language}]`);
    assert.equal(await page.locator("html").getAttribute("lang"), language);
    const other = language === "ko" ? "en" : "ko";
    assert.equal(await page.locator(`.${other}`).filter({ visible: true }).count(), 0);
    assert.ok(await page.locator(".verdict").isVisible());
    const scrolling = await page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll(".wide:not(.map)")]
        .filter((part) => part.scrollWidth > part.clientWidth + 1)
        .map((part) => part.textContent.trim().slice(0, 40)),
    );
    if (device === "desktop") {
      assert.deepEqual(scrolling, [], "nothing needs to be scrolled sideways");
    } else {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      assert.ok(!wide, "the page itself fits");
    }
    await page.screenshot({ path: join(folder, `${device}-${language}.png`), fullPage: true });
  }

  // The filter leaves the talks that hold a word.
  const talks = page.locator(".talk").filter({ visible: true });
  const all = await talks.count();
  await page.fill("#filter", "안녕하세요");
  const some = await talks.count();
  assert.ok(some > 0 && some < all, `${some} of ${all}`);
  await page.fill("#filter", "");
  assert.equal(await talks.count(), all);

  // Every picture has a name, in one language.
  for (const picture of await page.locator("svg").all()) {
    const id = await picture.getAttribute("aria-labelledby");
    assert.equal(await picture.getAttribute("role"), "img");
    assert.match(await page.locator(`#${id}`).innerText(), /\w/);
  }
  if (device === "desktop") {
    await page.pdf({ path: join(folder, "print.pdf"), format: "A4" });
  }
  assert.deepEqual(complaints, []);
  await context.close();
}

try {
  for (const device of Object.keys(DEVICES)) {
    await look(device);
    for (const language of ["ko", "en"]) {
      await check(device, language);
    }
  }
} finally {
  await browser.close();
}
