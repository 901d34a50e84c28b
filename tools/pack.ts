/**
 * Packs the package for npm: what `deno pack` makes, and the command `memcache`,
 * which `deno pack` has no setting for. `deno task pack` writes
 * .out/memcache.tgz.
 *
 * @module
 */

const ROOT = new URL("..", import.meta.url).pathname;

/** The file of the command, and what is in it. */
const BIN = "bin/memcache.js";
const PROGRAM = `#!/usr/bin/env node
import process from "node:process";
import { main } from "../src/cli/mod.js";

process.exitCode = await main();
`;

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
  }).spawn().status;
  if (!success) throw new Error(`Cannot pack: ${command} failed`);
}

/** Writes the package to a file. */
export async function pack(tarball: string): Promise<void> {
  const deno = ["pack", "--allow-dirty", "--no-source-maps", "-o", tarball];
  await run(Deno.execPath(), deno);
  const folder = await Deno.makeTempDir();
  try {
    await run("tar", ["-xzf", tarball, "-C", folder]);
    const home = `${folder}/package`;
    const manifest = JSON.parse(
      await Deno.readTextFile(`${home}/package.json`),
    );
    manifest.bin = { memcache: `./${BIN}` };
    manifest.engines = { node: ">=20" };
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await Deno.writeTextFile(`${home}/package.json`, text);
    await Deno.mkdir(`${home}/bin`);
    await Deno.writeTextFile(`${home}/${BIN}`, PROGRAM);
    await Deno.chmod(`${home}/${BIN}`, 0o755);
    await run("tar", ["-czf", tarball, "-C", folder, "package"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const tarball = Deno.args[0] ?? `${ROOT}.out/memcache.tgz`;
  await Deno.mkdir(`${ROOT}.out`, { recursive: true });
  await pack(tarball);
}
