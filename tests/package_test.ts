/**
 * What is published: the right files, that load by themselves and run nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { PACKAGES } from "./_layers.ts";
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
    // Publishing writes out what deno.json says of names, as JSR knows none.
    const text = await Deno.readTextFile(`${ROOT}/${file}`);
    const named = Object.entries(config.imports).reduce(
      (text, [name, specifier]) =>
        text.replaceAll(`from "${name}";`, `from "${specifier}";`),
      text,
    );
    await Deno.writeTextFile(to, file.endsWith(".ts") ? named : text);
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

/** What the modules in reach of an entry are, those of packages as `npm:` …. */
async function listModules(entry: string): Promise<string[]> {
  const { out } = await deno(["info", "--json", entry]);
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

/** The commands that run JavaScript on Node, Bun and Deno, as far as there are any. */
async function listRuntimes(): Promise<[name: string, command: string[]][]> {
  const tools = `${ROOT}/.ci/node_modules`;
  const found: [string, string[]][] = [
    ["deno", [Deno.execPath(), "run", "-A", "--node-modules-dir=manual"]],
  ];
  const others = ["node20", "node22", "node24", "node26"].map((name) =>
    [name, `${tools}/${name}/bin/node`] as const
  );
  for (const [name, path] of [...others, ["bun", `${tools}/.bin/bun`]]) {
    if (await Deno.stat(path).then(() => true, () => false)) {
      found.push([name, [await Deno.realPath(path)]]);
    }
  }
  return found;
}

/** Copies a folder with everything in it. */
async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

test(
  "deno pack makes a package whose entries load with what it names",
  async () => {
    const dir = await Deno.realPath(await Deno.makeTempDir());
    try {
      const tarball = `${dir}/package.tgz`;
      await deno(["pack", "--allow-dirty", "--no-source-maps", "-o", tarball]);
      const home = `${dir}/node_modules/${config.name}`;
      await Deno.mkdir(home, { recursive: true });
      const { success } = await new Deno.Command("tar", {
        args: ["-xzf", tarball, "--strip-components=1", "-C", home],
      }).output();
      assert(success);
      const manifest = JSON.parse(
        await Deno.readTextFile(`${home}/package.json`),
      );
      assertEquals(
        manifest.dependencies,
        Object.fromEntries(
          Object.entries(config.imports)
            .filter(([name]) => Object.values(PACKAGES).flat().includes(name))
            .map(([name, to]) => [name, to.replace(`npm:${name}@`, "")]),
        ),
      );
      assertEquals(Object.keys(manifest.exports), Object.keys(config.exports));
      // An install would fetch the same files, by the network.
      const devalue = new URL(import.meta.resolve("devalue")).pathname;
      await copyFolder(
        devalue.slice(0, devalue.lastIndexOf("/src/")),
        `${dir}/node_modules/devalue`,
      );
      const program = [
        ...Object.keys(config.exports).map((entry, i) =>
          `import * as m${i} from "${config.name}${entry.slice(1)}";`
        ),
        `import { structuredSerde } from "${config.name}/structured";`,
        "const value = new Map([[1n, new Set([new Uint8Array(2)])]]);",
        'const { data, flags } = structuredSerde.serialize("k", value);',
        'const back = structuredSerde.deserialize("k", data, flags);',
        'try { structuredSerde.serialize("k", () => {}); }',
        "catch (error) {",
        "  console.log([...back.keys()][0] === 1n,",
        "    error instanceof m0.MemcacheSerdeError);",
        "}",
      ];
      await Deno.writeTextFile(
        `${dir}/package.json`,
        '{ "private": true, "type": "module" }',
      );
      await Deno.writeTextFile(`${dir}/program.js`, program.join("\n"));
      for (const [name, [command, ...args]] of await listRuntimes()) {
        const { stdout, stderr } = await new Deno.Command(command, {
          args: [...args, "program.js"],
          cwd: dir,
          env: { NO_COLOR: "1" },
          signal: AbortSignal.timeout(30_000),
        }).output();
        const [out, error] = [stdout, stderr].map((bytes) =>
          new TextDecoder().decode(bytes)
        );
        assertEquals(out, "true true\n", `${name}: ${error}`);
      }
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
  { timeout: 120_000 },
);
