/**
 * The guide, followed literally: the blocks of docs/ on every runtime as users
 * have the package there, and the commands of the first page as they stand.
 * `deno test --doc` runs and checks the blocks besides.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { installEnv, NPM_INSTALL, NpmStandIn, writeProject } from "./_npm.ts";
import {
  BUN,
  deno,
  execute,
  lacks,
  ROOT,
  succeed,
  tool,
  withFolder,
} from "./_programs.ts";

/** The Node that runs TypeScript as it is written. */
const NODE = "node26/bin/node";

/** As `deno add` leaves a project, but for where the package comes from. */
const SOURCES = {
  "@x/memcache": `${ROOT}/mod.ts`,
  "@x/memcache/testing": `${ROOT}/src/testing/mod.ts`,
};

/** What pages tell to install besides, by the ranges that we develop with. */
const OTHERS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(config.imports)
    .filter(([name]) => name.startsWith("@opentelemetry/"))
    .map(([name, to]) => [name, to.slice(`npm:${name}@`.length)]),
);

/** The pages whose commands are run. */
const WITH_COMMANDS = ["getting-started.md", "tls-and-authentication.md"];

/** A block of code of a page. */
interface Block {
  /** The file that it is kept as: its own name, or one by page and line. */
  readonly file: string;
  /** Its language. */
  readonly language: string;
  /** Whether it is a file of tests, for the runner of one runtime. */
  readonly isTest: boolean;
  /** What it says. */
  readonly text: string;
}

/** The pages of the guide. */
async function listPages(): Promise<string[]> {
  const pages: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/docs`)) {
    if (name.endsWith(".md")) pages.push(name);
  }
  return pages.sort();
}

/** The blocks of a page that have a language, in their order. */
async function readBlocks(page: string): Promise<Block[]> {
  const text = await Deno.readTextFile(`${ROOT}/docs/${page}`);
  const fences = text.matchAll(
    /^```(\w+)(?: ignore)?(?: (\S+))?\n([\s\S]*?)^```$/gm,
  );
  return [...fences].map(({ 1: language, 2: name, 3: body, index }) => {
    const line = text.slice(0, index).split("\n").length;
    const file = name ?? `${page.replace(/\.md$/, "")}_${line}.ts`;
    return { file, language, isTest: /_test\.ts$/.test(file), text: body };
  });
}

/** A project that has installed the package, with the blocks of all pages. */
async function withGuide(
  fn: (
    blocks: readonly Block[],
    options: { cwd: string; env: Record<string, string> },
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (cwd) => {
    const programs = Object.entries(OTHERS).map(([name, range]) =>
      `npm:${name}@${range}`
    );
    const registry = await NpmStandIn.start({ programs });
    try {
      await writeProject(cwd, registry, OTHERS);
      const env = installEnv(cwd);
      await succeed(NPM_INSTALL, { cwd, env });
      const pages = await Promise.all((await listPages()).map(readBlocks));
      const blocks = pages.flat();
      for (const { file, language, text } of blocks) {
        if (language === "ts") await Deno.writeTextFile(`${cwd}/${file}`, text);
      }
      await fn(blocks, { cwd, env });
    } finally {
      await registry.close();
    }
  });
}

test("the guide has only blocks that are run, or are no programs", async () => {
  for (const page of await listPages()) {
    const text = await Deno.readTextFile(`${ROOT}/docs/${page}`);
    const fences = [...text.matchAll(/^```(.*)$/gm)].map(([, info]) => info);
    for (const info of fences.filter((_, i) => i % 2 === 0)) {
      assert(
        /^(?:ts(?: \w+\.ts)?|ts ignore \w+_test\.ts|sh|text)$/.test(info),
        info,
      );
      assert(info !== "sh" || WITH_COMMANDS.includes(page), page);
    }
    assertEquals(fences.length % 2, 0, page);
  }
});

test("the page on testing has every fault and option of the server", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/testing.md`);
  const read = (name: string) =>
    Deno.readTextFile(`${ROOT}/src/testing/${name}.ts`);
  const kinds = [...(await read("faults")).matchAll(/readonly kind: "(\w+)"/g)];
  assert(kinds.length > 5);
  for (const [, kind] of kinds) {
    assertMatch(page, new RegExp(`kind: "${kind}"|\`${kind}\``));
  }
  const [, body] = (await read("options")).split(
    "export interface MemcachedServerOptions {",
  );
  const options = [...body.split("\n}")[0].matchAll(/^ {2}(\w+)\?:/gm)]
    .map(([, name]) => name);
  const prose = page.replace(/^```[\s\S]*?^```$/gm, "");
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span);
  const told = spans.flatMap((span) => span.split(/\W+/));
  // What no program is likely to ask for is at the option itself.
  const rare = ["hostname", "cas", "flush", "allowShutdown", "maxRequests"];
  assertEquals(options.filter((name) => !told.includes(name)), rare);
});

test("the blocks of the guide run on Deno, Node and Bun", async () => {
  await withGuide(async (blocks, options) => {
    const files = blocks
      .filter(({ language, isTest }) => language === "ts" && !isTest)
      .map(({ file }) => file);
    assert(files.length > 4, `${files.length} blocks`);
    const asJson = ["run", "-A", "--node-modules-dir=manual"];
    for (const file of files) {
      await succeed(deno(...asJson, file), options);
      await succeed([tool(NODE), "--no-warnings", file], options);
      await succeed([tool(BUN), file], options);
    }
  });
}, { timeout: 240_000, skip: lacks(NODE, BUN) });

test("the tests of the guide pass, each by its runner", async () => {
  await withGuide(async (blocks, { cwd, env }) => {
    const files = blocks.filter(({ isTest }) => isTest)
      .map(({ file }) => file);
    assertEquals(files.map((file) => file.match(/_([a-z]+)_test/)?.[1]), [
      ...["deno", "node", "bun"],
    ]);
    const [forDeno, forNode, forBun] = files;
    const passes = async (command: string[], cwd: string, sign: RegExp) => {
      const { code, out, error } = await execute(command, { cwd, env });
      assertEquals(code, 0, out + error);
      assertMatch(out + error, sign);
    };
    await withFolder(async (cwd) => {
      const config = JSON.stringify({ imports: SOURCES });
      await Deno.writeTextFile(`${cwd}/deno.json`, config);
      for (const { file, language, text } of blocks) {
        if (language === "ts") await Deno.writeTextFile(`${cwd}/${file}`, text);
      }
      // That of node:test runs here as well, and has its types checked.
      const command = deno("test", "--allow-net", forDeno, forNode);
      await passes(command, cwd, /^ok \| 2 passed/m);
    });
    const node = [tool(NODE), "--no-warnings", "--test", forNode];
    await passes(node, cwd, /^. pass 1$/m);
    await passes([tool(BUN), "test", `./${forBun}`], cwd, /^ *1 pass$/m);
  });
}, { timeout: 120_000, skip: lacks(NODE, BUN) });

test("the commands of the first page come to what it says", async () => {
  await withGuide(async (_blocks, { cwd, env }) => {
    const blocks = await readBlocks("getting-started.md");
    const [commands] = blocks.filter(({ language }) => language === "sh");
    const [expected] = blocks.filter(({ language }) => language === "text");
    const programs: Record<string, string[]> = {
      deno: deno(),
      node: [tool(NODE), "--no-warnings"],
      bun: [tool(BUN)],
    };
    const config = { imports: SOURCES, nodeModulesDir: "manual" };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify(config));
    const lines = commands.text.trim().split("\n");
    assertEquals(lines.map((line) => line.split(" ")[0]).sort(), [
      ...["bun", "deno", "node"],
    ]);
    const plain = (text: string) =>
      text.replace(/'/g, '"').replace(/,?\s+/g, " ").trim();
    for (const line of lines) {
      const [name, ...args] = line.split(" ");
      const printed = await succeed([...programs[name], ...args], { cwd, env });
      assertEquals(plain(printed), plain(expected.text), line);
    }
  });
}, { timeout: 120_000, skip: lacks(NODE, BUN) });

/** Calls what the blocks of the page on TLS export, and says what comes of it. */
const TLS_DRIVER = `
import { copyFileSync, renameSync } from "node:fs";
import process from "node:process";
import { connect } from "./cache.ts";
import { connectRenewed } from "./renewed.ts";

const [server, folder] = process.argv.slice(2);
const simple = connect(server, folder);
const renewed = connectRenewed(server, folder);
console.log(await simple.version(), await renewed.version());

// The next connection has the certificate that is there then.
renameSync(folder + "/client.pem", folder + "/kept.pem");
await renewed.quit();
const error = await renewed.version().catch((error) => error);
copyFileSync(folder + "/ca.pem", folder + "/client.pem");
await simple.version();
renameSync(folder + "/kept.pem", folder + "/client.pem");
while (await renewed.version().catch(() => undefined) === undefined) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log(error.code, error.cause.code);

const refreshed = await renewed.rawCommand("refresh_certs");
console.log(new TextDecoder().decode(refreshed));
await simple.close();
await renewed.close();
`;

test(
  "the page on TLS comes to a memcached that lets its clients in",
  async () => {
    await withGuide(async (_blocks, { cwd, env }) => {
      const blocks = await readBlocks("tls-and-authentication.md");
      const [make, start, ask] = blocks.filter(({ language }) =>
        language === "sh"
      ).map(({ text }) => text.replace(/\\\n\s*/g, "").trim());
      await succeed(["sh", "-c", make], { cwd, env });
      // memcached may run as somebody else, who has to come to the files.
      const files = /\b(?:\w+\.(?:pem|key)|users)\b/g;
      for (const [file] of start.matchAll(files)) {
        await Deno.chmod(`${cwd}/${file}`, 0o644);
      }
      await Deno.chmod(cwd, 0o755);
      const [program, ...args] = start.replace(files, `${cwd}/$&`).split(" ");
      assertEquals(program, "memcached");
      await withMemcached({ args }, async ({ port }) => {
        const server = `localhost:${port}`;
        const [npx, memcache, ...question] = ask.split(" ");
        assertEquals([npx, memcache], ["npx", "memcache"]);
        const asked = await succeed([
          `${cwd}/node_modules/.bin/memcache`,
          ...question.map((word) => word === "localhost" ? server : word),
        ], { cwd, env });
        assertMatch(asked, /1\.\d+\.\d+/);
        await Deno.writeTextFile(`${cwd}/driver.ts`, TLS_DRIVER);
        const asJson = ["run", "-A", "--node-modules-dir=manual"];
        for (
          const run of [
            deno(...asJson),
            [tool(NODE), "--no-warnings"],
            [tool(BUN)],
          ]
        ) {
          const command = [...run, "driver.ts", server, cwd];
          const [versions, failure, refreshed] =
            (await succeed(command, { cwd, env })).split("\n");
          assertMatch(versions, /^(1\.\d+\.\d+) \1$/);
          assertEquals(failure, "ERR_CONNECTION ENOENT");
          assertEquals(refreshed, "OK");
        }
      });
    });
  },
  {
    timeout: 120_000,
    skip: lacks(NODE, BUN) || needsMemcached.skip === true,
  },
);
