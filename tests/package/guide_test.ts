/**
 * The guide, followed literally: the blocks of docs/ on every runtime as users
 * have the package there, and the commands of the first page as they stand.
 * `deno test --doc` runs and checks the blocks besides.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { installEnv, NPM_INSTALL, NpmStandIn, writeProject } from "./_npm.ts";
import {
  BUN,
  deno,
  lacks,
  ROOT,
  succeed,
  tool,
  withFolder,
} from "./_programs.ts";

/** The Node that runs TypeScript as it is written. */
const NODE = "node26/bin/node";

/** A block of code of a page. */
interface Block {
  /** The file that it is kept as: its own name, or one by page and line. */
  readonly file: string;
  /** Its language. */
  readonly language: string;
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
  const fences = text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm);
  return [...fences].map(({ 1: language, 2: name, 3: body, index }) => {
    const line = text.slice(0, index).split("\n").length;
    const file = name ?? `${page.replace(/\.md$/, "")}_${line}.ts`;
    return { file, language, text: body };
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
    const registry = await NpmStandIn.start();
    try {
      await writeProject(cwd, registry);
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
      assert(/^(?:ts(?: \w+\.ts)?|sh|text|mermaid)$/.test(info), info);
      // Commands are run on the first page only.
      assert(info !== "sh" || page === "getting-started.md", page);
    }
    assertEquals(fences.length % 2, 0, page);
  }
});

test("the blocks of the guide run on Deno, Node and Bun", async () => {
  await withGuide(async (blocks, options) => {
    const files = blocks.filter(({ language }) => language === "ts")
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
    // As `deno add` leaves a project, but for where the package comes from.
    const imports = {
      "@x/memcache": `${ROOT}/mod.ts`,
      "@x/memcache/testing": `${ROOT}/src/testing/mod.ts`,
    };
    const config = JSON.stringify({ imports, nodeModulesDir: "manual" });
    await Deno.writeTextFile(`${cwd}/deno.json`, config);
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
