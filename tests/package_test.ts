/**
 * What is published: the right files under the right version, with the packages
 * that they need. How they are used from there: `tests/package/`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { VERSION } from "../src/cli/version.ts";
import { PACKAGES } from "./_layers.ts";
import { test } from "./_runtime.ts";
import {
  deno,
  execute,
  ROOT,
  succeed,
  withFolder,
} from "./package/_programs.ts";

const PUBLISHED =
  /^(?:mod\.ts|src\/.+\.ts|README\.md|CHANGELOG\.md|LICENSE|deno\.json)$/;
const REQUIRED = [
  "mod.ts",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "deno.json",
];

/** The files that `deno publish` would send, relative to the checkout. */
async function listPublished(): Promise<string[]> {
  const { code, error } = await execute(
    deno("publish", "--dry-run", "--allow-dirty", "--no-check"),
  );
  assertEquals(code, 0, error);
  const root = await Deno.realPath(ROOT);
  return [...error.matchAll(/^\s+(file:\/\/\S+) \(/gm)]
    .map(([, url]) =>
      decodeURIComponent(new URL(url).pathname).slice(root.length + 1)
    );
}

/** The versions that CHANGELOG.md has sections for, with what is after them. */
async function listReleases(): Promise<[version: string, rest: string][]> {
  const changelog = await Deno.readTextFile(`${ROOT}/CHANGELOG.md`);
  return [...changelog.matchAll(/^## (\S+)(.*)$/gm)]
    .map(([, version, rest]) => [version, rest]);
}

test("CHANGELOG.md has notes for the version of deno.json, on top", async () => {
  const releases = await listReleases();
  // What is not released yet may stand above it.
  if (releases[0][0] === "Unreleased") assertEquals(releases.shift()?.[1], "");
  assertEquals(releases[0][0], config.version);
  assertEquals(VERSION, config.version);
  const dates: string[] = [];
  const numbers: string[] = [];
  for (const [version, rest] of releases) {
    assertMatch(version, /^\d+\.\d+\.\d+$/);
    assertMatch(rest, /^ - \d{4}-\d{2}-\d{2}$/, version);
    dates.push(rest);
    numbers.push(version.replace(/\d+/g, (part) => part.padStart(6, "0")));
  }
  assertEquals(dates, dates.toSorted().reverse());
  assertEquals(numbers, [...new Set(numbers)].sort().reverse());
});

test("deno.json names entries that exist", async () => {
  for (const file of Object.values(config.exports)) {
    assert((await Deno.stat(`${ROOT}/${file}`)).isFile, file);
  }
});

test("deno publish sends the sources and the pages, no tests", async () => {
  const files = await listPublished();
  assertEquals(
    files.filter((file) => !PUBLISHED.test(file) || /_test\.ts$/.test(file)),
    [],
  );
  assertEquals(REQUIRED.filter((file) => !files.includes(file)), []);
}, { timeout: 60_000 });

/** What the modules in reach of an entry are, those of packages as `npm:` …. */
async function listModules(entry: string): Promise<string[]> {
  const out = await succeed(deno("info", "--json", entry));
  const { modules, redirects } = JSON.parse(out) as {
    modules: { specifier: string }[];
    redirects: Record<string, string>;
  };
  return [
    ...modules.map(({ specifier }) => specifier),
    ...Object.keys(redirects),
  ]
    .filter((specifier) => !/^(?:file|node):/.test(specifier));
}

/** The packages that an entry may depend on. */
function packagesOf(entry: string): readonly string[] {
  return PACKAGES[entry.replace("./", "")] ?? [];
}

test("entries depend on the packages that are listed for them", async () => {
  for (const [entry, file] of Object.entries(config.exports)) {
    const names = (await listModules(file)).map((specifier) =>
      /^npm:\/?((?:@[^/]+\/)?[^@/]+)@/.exec(specifier)?.[1] ?? specifier
    );
    assertEquals(
      [...new Set(names)].sort(),
      [...packagesOf(entry)].sort(),
      entry,
    );
  }
});

test("deno publish and deno pack have nothing to warn of", async () => {
  await withFolder(async (folder) => {
    const pack = ["pack", "--no-source-maps", "-o", `${folder}/package.tgz`];
    for (const args of [["publish", "--dry-run"], pack]) {
      const { code, out, error } = await execute(
        deno(...args, "--allow-dirty"),
      );
      assertEquals(code, 0, error);
      // What is no part of any public type needs no types of its own.
      const said = (out + error).replace(/^Could not generate types.*$/gm, "");
      assertEquals(said.match(/^.*\b(?:warning|error)\b.*$/gim), null);
    }
  });
}, { timeout: 60_000 });

test("deno pack names the entries, and what they depend on", async () => {
  await withFolder(async (folder) => {
    const tarball = `${folder}/package.tgz`;
    await succeed(
      deno("pack", "--allow-dirty", "--no-source-maps", "-o", tarball),
    );
    await succeed(["tar", "-xzf", tarball, "-C", folder]);
    const manifest = JSON.parse(
      await Deno.readTextFile(`${folder}/package/package.json`),
    );
    const allowed = Object.values(PACKAGES).flat();
    assertEquals(
      manifest.dependencies,
      Object.fromEntries(
        Object.entries(config.imports)
          .filter(([name]) => allowed.includes(name))
          .map(([name, to]) => [name, to.replace(`npm:${name}@`, "")]),
      ),
    );
    assertEquals(Object.keys(manifest.exports), Object.keys(config.exports));
    assertEquals(manifest.version, config.version);
  });
}, { timeout: 60_000 });
