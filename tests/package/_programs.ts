/**
 * Starting programs and keeping their files, for the tests of what is published.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };

/** The checkout. */
export const ROOT: string = new URL("../..", import.meta.url).pathname
  .replace(/\/$/, "");

const TOOLS = `${ROOT}/.ci/node_modules`;

/** The entries of the package as they are imported. */
export const ENTRIES: readonly string[] = Object.keys(config.exports)
  .map((entry) => config.name + entry.slice(1));

/** What a program came to. */
export interface Outcome {
  /** Its exit code. */
  readonly code: number;
  /** What it wrote to stdout. */
  readonly out: string;
  /** What it wrote to stderr. */
  readonly error: string;
}

/** How a program is started. */
export interface ProgramOptions {
  /**
   * The folder that it runs in.
   *
   * @default {the checkout}
   */
  readonly cwd?: string;
  /** What its environment has besides ours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end, for at most a minute. */
export async function execute(
  command: readonly string[],
  { cwd = ROOT, env = {} }: ProgramOptions = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(command[0], {
    args: command.slice(1),
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const [out, error] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code, out, error };
}

/** Runs a program that has to succeed, and returns what it wrote to stdout. */
export async function succeed(
  command: readonly string[],
  options?: ProgramOptions,
): Promise<string> {
  const { code, out, error } = await execute(command, options);
  assertEquals(code, 0, `${command.join(" ")}\n${out}${error}`);
  return out;
}

/** The `deno` that runs this test, with arguments. */
export function deno(...args: string[]): string[] {
  return [Deno.execPath(), ...args];
}

/** Gives a function a folder of its own that is gone when it is done. */
export async function withFolder(
  fn: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The path of a tool of `.ci/package.json`, or `undefined` if it is absent. */
export function findTool(path: string): string | undefined {
  try {
    return Deno.realPathSync(`${TOOLS}/${path}`);
  } catch {
    return undefined;
  }
}

/**
 * Whether a test that needs tools is skipped: where one is absent, unless
 * `CI=true` makes that a failure.
 */
export function lacks(...paths: string[]): boolean {
  const absent = paths.filter((path) => findTool(path) === undefined);
  if (absent.length === 0 || Deno.env.get("CI") === "true") return false;
  console.warn(`Absent: ${absent}; npm install --prefix .ci gets them`);
  return true;
}

/** The path of a tool that has to be there. */
export function tool(path: string): string {
  const found = findTool(path);
  if (found === undefined) throw new Error(`There is no .ci tool ${path}`);
  return found;
}

/** The versions of Node that the package is for. */
export const NODES: readonly string[] = ["node20", "node22", "node24", "node26"]
  .map((name) => `${name}/bin/node`);

/** Bun among the tools. */
export const BUN = ".bin/bun";

/**
 * A program that uses the package as a new user would, and prints `true` for
 * each thing that went well. Entries stand for themselves, or what `specifier`
 * makes of them.
 */
export function writeProgram(
  specifier: (entry: string) => string = (entry) => entry,
): string {
  const from = (entry: string) =>
    JSON.stringify(specifier(config.name + entry));
  return [
    `import { Client, MemcacheSerdeError } from ${from("")};`,
    `import { structuredSerde } from ${from("/structured")};`,
    `import { MemcachedServer } from ${from("/testing")};`,
    "const server = await MemcachedServer.start();",
    "const client = new Client(server.address, { serde: structuredSerde });",
    'const stored = await client.set("key", new Map([["at", 1n]]));',
    'const value = await client.get("key");',
    'const missed = await client.get("absent");',
    'const refused = await client.set("key", () => {}).catch((e) => e);',
    "await client.close();",
    "await server.close();",
    "console.log(stored, value.get('at') === 1n, missed === undefined,",
    "  refused instanceof MemcacheSerdeError);",
  ].join("\n");
}

/** What {@linkcode writeProgram}'s program prints. */
export const WELL = "true true true true\n";

/** A program that prints the names which each entry exports, as JSON. */
export function writeListing(
  specifier: (entry: string) => string = (entry) => entry,
): string {
  return [
    "const before = Reflect.ownKeys(globalThis);",
    ...ENTRIES.map((entry, i) =>
      `const m${i} = await import(${JSON.stringify(specifier(entry))});`
    ),
    // That one is Deno's own, from where it loads CommonJS.
    'before.push("nodeBootstrap");',
    "const added = Reflect.ownKeys(globalThis).filter((key) => !before.includes(key));",
    `const names = [${ENTRIES.map((_, i) => `Object.keys(m${i})`)}];`,
    "console.log(JSON.stringify({ added, names }));",
  ].join("\n");
}

/** What {@linkcode writeListing}'s program prints, parsed, of the sources here. */
export async function listNames(): Promise<
  { added: string[]; names: string[][] }
> {
  const names: string[][] = [];
  for (const entry of ENTRIES) names.push(Object.keys(await import(entry)));
  return { added: [], names };
}
