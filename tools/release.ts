// Says what stands between this checkout and a release, and ends with 1 if
// anything does: deno task release:check. Publishes nothing.
import config from "../deno.json" with { type: "json" };

const ROOT = `${import.meta.dirname}/..`;
const missing: string[] = [];

/** Runs a program; returns what it wrote to stdout, `undefined` if it failed. */
async function run(
  command: string,
  args: readonly string[],
): Promise<string | undefined> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { CI: "true", NO_COLOR: "1" },
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (!success) console.log(out + error);
  return success ? out.trim() : undefined;
}

const { version } = config;
const changelog = await Deno.readTextFile(`${ROOT}/CHANGELOG.md`);
const [top, ...rest] = changelog.match(/^## .*$/gm) ?? [];
if (!top?.startsWith(`## ${version} - `)) {
  missing.push(`CHANGELOG.md begins with "${top}", deno.json has ${version}`);
}
if (rest.some((title) => title.startsWith("## Unreleased"))) {
  missing.push("CHANGELOG.md has unreleased changes below a release");
}
if (await run("git", ["status", "--porcelain"]) !== "") {
  missing.push("There are changes that are not committed");
}
if (await run("git", ["tag", "--list", `v${version}`]) !== "") {
  missing.push(`v${version} is released: there is a tag of it`);
}
const steps: Readonly<Record<string, readonly string[]>> = {
  "deno publish --dry-run": ["publish", "--dry-run"],
  "the tests of the package": [
    ...["task", "--quiet", "test", "tests/package_test.ts", "tests/package/"],
  ],
};
for (const [name, args] of Object.entries(steps)) {
  if (await run(Deno.execPath(), args) === undefined) {
    missing.push(`${name} failed`);
  }
}
for (const what of missing) console.log(`-- ${what}`);
console.log(
  missing.length === 0
    ? `${config.name} ${version} is ready: git tag v${version}, deno publish`
    : `${config.name} ${version} is not ready`,
);
Deno.exit(missing.length === 0 ? 0 : 1);
