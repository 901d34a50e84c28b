/**
 * What users of `jsr:` get: the checkout is published to a stand-in for JSR on
 * loopback and used from there.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { test } from "../_runtime.ts";
import { JsrStandIn } from "./_jsr.ts";
import { NpmStandIn } from "./_npm.ts";
import {
  deno,
  execute,
  listNames,
  succeed,
  WELL,
  withFolder,
  writeListing,
  writeProgram,
} from "./_programs.ts";

/** Gives a function both registries, and an environment that knows no other. */
async function withRegistries(
  fn: (
    jsr: JsrStandIn,
    options: { cwd: string; env: Record<string, string> },
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (cwd) => {
    const npm = await NpmStandIn.start();
    try {
      const jsr = await JsrStandIn.publish();
      try {
        const env = {
          DENO_DIR: `${cwd}/cache`,
          JSR_URL: jsr.url,
          NPM_CONFIG_REGISTRY: npm.url,
        };
        await fn(jsr, { cwd, env });
      } finally {
        await jsr.close();
      }
    } finally {
      await npm.close();
    }
  });
}

const specifier = (entry: string) =>
  entry.replace(config.name, `jsr:${config.name}@^${config.version}`);

test("the package is published to JSR, and used from there", async (t) => {
  await withRegistries(async (jsr, options) => {
    const { cwd, env } = options;
    const path = `${cwd}/program.ts`;
    const run = ["run", "--no-lock", "--no-prompt"];
    const command = deno(...run, "--allow-net=127.0.0.1", path);

    await t.step("loading needs no permission and runs nothing", async () => {
      await Deno.writeTextFile(path, writeListing(specifier));
      const listing = await succeed(deno(...run, path), options);
      assertEquals(JSON.parse(listing), await listNames());
    });

    await t.step("a program runs", async () => {
      await Deno.writeTextFile(path, writeProgram(specifier));
      assertEquals(await succeed(command, options), WELL);
    });

    await t.step("deno add takes it, with types", async () => {
      await Deno.writeTextFile(`${cwd}/deno.json`, "{}");
      await succeed(deno("add", `jsr:${config.name}`), options);
      const { imports } = JSON.parse(
        await Deno.readTextFile(`${cwd}/deno.json`),
      );
      assertEquals(imports, {
        [config.name]: `jsr:${config.name}@^${config.version}`,
      });
      await Deno.writeTextFile(
        `${cwd}/types.ts`,
        [
          `import { Client } from "${config.name}";`,
          'const client = new Client("127.0.0.1:1");',
          'const n: number | undefined = await client.get<number>("key");',
          "// @ts-expect-error A key is no number.",
          "console.log(n, await client.get(1));",
        ].join("\n"),
      );
      await succeed(deno("check", "types.ts"), options);
    });

    await t.step("a file that was changed is refused", async () => {
      const changed = "/src/wire/decoder.ts";
      const bytes = jsr.files.get(changed);
      assert(bytes !== undefined);
      jsr.files.set(changed, new Uint8Array([...bytes, 10]));
      const { code, out, error } = await execute(command, {
        cwd,
        env: { ...env, DENO_DIR: `${cwd}/other-cache` },
      });
      assertNotEquals(code, 0);
      assertEquals(out, "");
      assertStringIncludes(error, "Integrity check failed");
      assertStringIncludes(error, changed);
    });
  });
}, { timeout: 120_000 });
