/**
 * The packages from npm that ours is compared with, in the versions that
 * peers/package.json names.
 *
 * @module
 */
import { execute } from "../../tools/runners.ts";

/** Where they are. */
export const PACKAGES: string = `${import.meta.dirname}/peers`;

/**
 * Installs them, where they are not there yet.
 *
 * @returns Whether they are there; if not, why has been printed.
 */
export async function install(): Promise<boolean> {
  const manifest = JSON.parse(
    await Deno.readTextFile(`${PACKAGES}/package.json`),
  );
  const wanted = Object.entries<string>(manifest.dependencies);
  const there = await Promise.all(
    wanted.map(async ([name, version]) => {
      const file = `${PACKAGES}/node_modules/${name}/package.json`;
      const text = await Deno.readTextFile(file).catch(() => "{}");
      return JSON.parse(text).version === version;
    }),
  );
  if (there.every((is) => is)) return true;
  console.error("Installing the peers from npm");
  const flags = ["--no-package-lock", "--no-audit", "--no-fund"];
  const { code, output } = await execute("npm", ["install", ...flags], {
    cwd: "bench/compare/peers",
  });
  if (code !== 0) console.error(output);
  return code === 0;
}
