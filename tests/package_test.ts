/**
 * What is published: the right files, that load by themselves and run nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { test } from "./_runtime.ts";

const ROOT = `${import.meta.dirname}/..`;
const PUBLISHED =
  /^(?:mod\.ts|src\/.+\.ts|README\.md|CHANGELOG\.md|LICENSE|deno\.json)$/;
const REQUIRED = [
  "mod.ts",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "deno.json",
];

async function deno(
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<{ out: string; error: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    signal: AbortSignal.timeout(30_000),
    ...options,
    env: { NO_COLOR: "1", ...options.env },
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  assertEquals(code, 0, error);
  return { out, error };
}

/** The files that `deno publish` would send, relative to the checkout. */
async function listPublished(): Promise<string[]> {
  const { error } = await deno([
    "publish",
    "--dry-run",
    "--allow-dirty",
    "--no-check",
  ]);
  const root = await Deno.realPath(ROOT);
  return [...error.matchAll(/^\s+(file:\/\/\S+) \(/gm)]
    .map(([, url]) =>
      decodeURIComponent(new URL(url).pathname).slice(root.length + 1)
    );
}

/** Lays the published files out in `registry` as JSR serves them. */
async function stage(registry: string): Promise<void> {
  const { name, version, exports } = config;
  const home = `${registry}/${name}`;
  for (const file of await listPublished()) {
    const to = `${home}/${version}/${file}`;
    await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(`${ROOT}/${file}`, to);
  }
  const write = (file: string, value: unknown) =>
    Deno.writeTextFile(`${home}/${file}`, JSON.stringify(value));
  const [scope, base] = name.slice(1).split("/");
  await write("meta.json", { scope, name: base, versions: { [version]: {} } });
  await write(`${version}_meta.json`, { manifest: {}, exports });
}

test("deno.json has the version of CHANGELOG.md", async () => {
  const changelog = await Deno.readTextFile(`${ROOT}/CHANGELOG.md`);
  const [, version] = changelog.match(/^## \[?v?(\d+\.\d+\.\d+[^\s\]]*)/m) ??
    [];
  assertEquals(version, config.version);
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

test(
  "the package loads from a registry without a permission and runs nothing",
  async () => {
    const dir = await Deno.makeTempDir();
    try {
      await stage(`${dir}/registry`);
      const entries = Object.keys(config.exports).map((entry) =>
        entry.slice(1)
      );
      const program = [
        "const before = Reflect.ownKeys(globalThis);",
        ...entries.map((entry, i) =>
          `const m${i} = await import("jsr:${config.name}@^${config.version}${entry}");`
        ),
        "const added = Reflect.ownKeys(globalThis).filter((key) => !before.includes(key));",
        `const names = [${entries.map((_, i) => `Object.keys(m${i})`)}];`,
        "console.log(JSON.stringify({ added, names }));",
      ];
      await Deno.writeTextFile(`${dir}/program.ts`, program.join("\n"));
      const { out } = await deno([
        "run",
        "--no-prompt",
        "--no-lock",
        "program.ts",
      ], {
        cwd: dir,
        env: { JSR_URL: `file://${dir}/registry/` },
      });
      const names: string[][] = [];
      for (const entry of entries) {
        names.push(Object.keys(await import(`${config.name}${entry}`)));
      }
      assertEquals(JSON.parse(out), { added: [], names });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
  { timeout: 60_000 },
);
