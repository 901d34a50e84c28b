/**
 * The command `memcache` of the packed checkout, as npm, Bun and Deno run it.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { test } from "../_runtime.ts";
import { JsrStandIn } from "./_jsr.ts";
import { installEnv, NPM_INSTALL, NpmStandIn, writeProject } from "./_npm.ts";
import {
  BUN,
  deno,
  execute,
  lacks,
  NODES,
  succeed,
  tool,
  withFolder,
} from "./_programs.ts";

test("npx, bunx and deno run find the command memcache", async () => {
  await withFolder(async (cwd) => {
    const registry = await NpmStandIn.start();
    try {
      await writeProject(cwd, registry);
      const options = { cwd, env: installEnv(cwd) };
      await succeed(NPM_INSTALL, options);
      const version = `${config.version}\n`;
      const npx = await succeed(
        ["npx", "--no", "--", "memcache", "-V"],
        options,
      );
      assertEquals(npx, version);
      const bun = tool(BUN);
      const bunx = [bun, "x", "--no-install", "memcache", "-V"];
      assertEquals(await succeed(bunx, options), version);
      const bin = "node_modules/.bin/memcache";
      for (const node of NODES) {
        assertEquals(await succeed([tool(node), bin, "-V"], options), version);
      }
      assertEquals(await succeed([bun, bin, "-V"], options), version);
      const file = `node_modules/${config.name}/src/cli/mod.js`;
      const run = ["run", "-A", "--node-modules-dir=manual", file];
      assertEquals(await succeed(deno(...run, "-V"), options), version);
      const { code, error } = await execute(
        [tool(NODES[0]), bin, "-s", "127.0.0.1:1", "get", "k"],
        options,
      );
      assertEquals(code, 3);
      assertMatch(error, /^memcache: Cannot connect/);
    } finally {
      await registry.close();
    }
  });
}, { timeout: 120_000, skip: lacks(BUN, ...NODES) });

test("deno run runs the command line from JSR", async () => {
  await withFolder(async (cwd) => {
    const npm = await NpmStandIn.start();
    const jsr = await JsrStandIn.publish();
    try {
      const env = {
        DENO_DIR: `${cwd}/cache`,
        JSR_URL: jsr.url,
        NPM_CONFIG_REGISTRY: npm.url,
      };
      const entry = `jsr:${config.name}@${config.version}/cli`;
      const run = deno("run", "--allow-net", "--allow-env", entry, "-V");
      assertEquals(await succeed(run, { cwd, env }), `${config.version}\n`);
    } finally {
      await jsr.close();
      await npm.close();
    }
  });
}, { timeout: 120_000 });
