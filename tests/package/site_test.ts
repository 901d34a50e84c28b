/**
 * The documentation as a site, built as `deno task docs:html` does: all pages
 * are there, and links between them and with the API go somewhere.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { buildSite } from "../../tools/docs.ts";
import { readPage } from "../../tools/site_page.ts";
import { test } from "../_runtime.ts";
import { ROOT, withFolder } from "./_programs.ts";

/** The files of a folder, by their paths in it. */
async function listFiles(folder: string, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder + below)) {
    const path = `${below}/${name}`;
    if (isDirectory) files.push(...await listFiles(folder, path));
    else files.push(path);
  }
  return files;
}

/** Where a page's links and images go: paths in the site, with anchors. */
function linksOf(path: string, html: string): string[] {
  return [...html.matchAll(/ (?:href|src)="([^"]*)"/g)]
    .map(([, target]) => target.replaceAll("&#x2F;", "/"))
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => new URL(target, `file://${path}`))
    .map(({ pathname, hash }) => decodeURIComponent(pathname) + hash);
}

test("readPage() makes links and anchors of those of the checkout", () => {
  const text = [
    "# The `get` & its *kin*",
    "[a](./other.md#x), [b](../README.md), [c](#own), [d](https://x.test/a.md)",
    "![e](./way.svg)",
    "## Same",
    "## Same",
    "`Client`, [`Client`](#own), `other`",
    "```ts ignore name_test.ts\na < b\n```",
  ].join("\n\n");
  const symbols = new Map([["Client", "api/~/Client.html"], ["get", "x"]]);
  const { title, body, files } = readPage("docs/page.md", text, symbols);
  assertEquals(files, ["docs/other.md", "README.md", "docs/way.svg"]);
  assertEquals(title, "The get & its kin");
  assertEquals(
    [...body.matchAll(/(?:href|src|id)="([^"]+)"/g)].map((m) => m[1]),
    [
      "the-get--its-kin",
      "../docs/other.html#x",
      "../index.html",
      "#own",
      "https://x.test/a.md",
      "../docs/way.svg",
      "same",
      "same-1",
      "../api/~/Client.html",
      "#own",
    ],
  );
  assertMatch(body, /<p class="file">name_test.ts<\/p>/);
  assertMatch(body, /<code class="language-ts">a &#60; b<\/code>/);
});

test("buildSite() makes pages whose links go somewhere", async () => {
  await withFolder(async (folder) => {
    const out = `${folder}/site`;
    await buildSite(out);
    const files = await listFiles(out);
    const has = new Set(files);
    const read = (path: string) => Deno.readTextFile(out + path);

    for await (const { name } of Deno.readDir(`${ROOT}/docs`)) {
      if (name === "README.md" || !name.endsWith(".md")) continue;
      const page = `/docs/${name.replace(/\.md$/, ".html")}`;
      assert(has.has(page), page);
      assert(
        linksOf("/docs/index.html", await read("/docs/index.html"))
          .includes(page),
        `the guide's first page has no link to ${page}`,
      );
    }
    const pages = files.filter((file) =>
      file.endsWith(".html") && !file.startsWith("/api/")
    );
    assert(pages.includes("/index.html"));
    for (const page of pages) {
      const links = linksOf(page, await read(page));
      assert(
        links.includes("/api/index.html"),
        `${page} has no way to the API`,
      );
      for (const link of links) {
        const [path, anchor] = link.split("#");
        assert(has.has(path), `${page}: there is no ${link}`);
        if (anchor === undefined) continue;
        const isThere = (await read(path)).includes(` id="${anchor}"`);
        assert(isThere, `${page}: there is no ${link}`);
      }
    }

    const tests = linksOf("/docs/x", await read("/docs/testing.html"));
    assert(tests.includes("/api/testing/~/MemcachedServer.html"));

    for (const entry of Object.keys(config.exports)) {
      const page = `/api${entry.slice(1)}/index.html`;
      assert(has.has(page), page);
      const links = linksOf(page, await read(page));
      assert(
        links.includes("/docs/index.html"),
        `${page} has no way to the guide`,
      );
      for (const link of links) {
        assert(has.has(link.split("#")[0]), `${page}: there is no ${link}`);
      }
    }
    for (const page of files.filter((file) => file.endsWith(".html"))) {
      assert(!/ href="file:/.test(await read(page)), `${page} names a file`);
    }
    const symbols = linksOf("/api/index.html", await read("/api/index.html"));
    assert(symbols.includes("/api/~/Client.html"));
    // Nothing tells where the site was built.
    for (const file of files.filter((file) => file.endsWith(".html"))) {
      assert(!(await read(file)).includes(ROOT), file);
    }
  });
}, { timeout: 120_000 });
