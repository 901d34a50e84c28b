/**
 * What users of Node and Bun get: the packed checkout, installed from a
 * stand-in for JSR's npm layer on loopback.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { test } from "../_runtime.ts";
import { installEnv, NPM_INSTALL, NpmStandIn, writeProject } from "./_npm.ts";
import {
  BUN,
  deno,
  execute,
  lacks,
  listNames,
  NODES,
  succeed,
  tool,
  WELL,
  withFolder,
  writeListing,
  writeProgram,
} from "./_programs.ts";

/** Gives a function a project that has installed nothing yet. */
async function withProject(
  fn: (options: { cwd: string; env: Record<string, string> }) => Promise<void>,
  options: { changed?: boolean } = {},
): Promise<void> {
  await withFolder(async (cwd) => {
    const registry = await NpmStandIn.start(options);
    try {
      await writeProject(cwd, registry);
      await Deno.writeTextFile(`${cwd}/program.js`, writeProgram());
      await Deno.writeTextFile(`${cwd}/listing.js`, writeListing());
      await fn({ cwd, env: installEnv(cwd) });
    } finally {
      await registry.close();
    }
  });
}

test("npm install gets a package that every Node runs", async () => {
  await withProject(async (options) => {
    await succeed(NPM_INSTALL, options);
    const expected = await listNames();
    for (const node of NODES) {
      const run = (file: string) => succeed([tool(node), file], options);
      assertEquals(await run("program.js"), WELL, node);
      assertEquals(JSON.parse(await run("listing.js")), expected, node);
    }
    // Deno can use what npm has installed, too.
    const run = deno("run", "-A", "--node-modules-dir=manual", "program.js");
    assertEquals(await succeed(run, options), WELL);
  });
}, { timeout: 120_000, skip: lacks(...NODES) });

test("bun install gets a package that Bun runs", async () => {
  await withProject(async (options) => {
    const bun = tool(BUN);
    await succeed([bun, "install"], options);
    assertEquals(await succeed([bun, "program.js"], options), WELL);
    const listing = await succeed([bun, "listing.js"], options);
    assertEquals(JSON.parse(listing), await listNames());
  });
}, { timeout: 120_000, skip: lacks(BUN) });

test("npm and bun install no tarball that was changed", async () => {
  await withProject(async (options) => {
    for (const command of [NPM_INSTALL, [tool(BUN), "install"]]) {
      const { code, out, error } = await execute(command, options);
      assertEquals(code, 1, command[0]);
      assertMatch(out + error, /integrity/i);
    }
  }, { changed: true });
}, { timeout: 120_000, skip: lacks(BUN) });
