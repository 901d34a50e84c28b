/**
 * Starts the programs of examples/, each on its own runtime, as users have them:
 * a copy of its folder with the package installed.
 *
 * @module
 */
import { assert } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import {
  installEnv,
  NPM_INSTALL,
  NPM_NAME,
  NpmStandIn,
} from "../package/_npm.ts";
import { BUN, ROOT, succeed, tool, withFolder } from "../package/_programs.ts";

/** How long a program may take to say where it listens, in milliseconds. */
const START_TIMEOUT = 30_000;

/** How a program ended. */
export interface End {
  /** Its exit code. */
  readonly code: number;
  /** Milliseconds from the signal to the end. */
  readonly took: number;
}

/** A program that listens, or has ended instead. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>[];
  /** What it has said so far, on both streams. */
  output = "";
  /** Where it listens. */
  url = "";

  private constructor(child: Deno.ChildProcess, tell: () => void) {
    this.#child = child;
    this.#read = [child.stdout, child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.output += text;
        tell();
      }
    });
  }

  /** Starts a program, and waits until it says where it listens. */
  static async start(
    command: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Program> {
    const child = new Deno.Command(command[0], {
      args: command.slice(1),
      cwd,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let found: (url: string) => void = () => {};
    const listening = new Promise<string>((resolve) => found = resolve);
    const program: Program = new Program(child, () => {
      const [, url] = /^listening on (\S+)\n/m.exec(program.output) ?? [];
      if (url !== undefined) found(url);
    });
    const timer = setTimeout(() => program.#signal("SIGKILL"), START_TIMEOUT);
    program.url = await Promise.race([
      listening,
      program.ended().then(() => ""),
    ]);
    clearTimeout(timer);
    return program;
  }

  /** Waits for its end. */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await Promise.all(this.#read);
    return code;
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<End> {
    const begun = performance.now();
    this.#signal("SIGTERM");
    const code = await this.ended();
    return { code, took: performance.now() - begun };
  }

  /** Ends it, however it is. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.ended();
  }

  /** Asks it for a page. */
  async ask(path: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    const { status, headers } = response;
    return { status, headers, body: await response.json() };
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }
}

/** What a program answers. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON in the body. */
  readonly body: unknown;
}

/** Starts the program of an example with a memcached, on a free port. */
export type Start = (
  memcached: string,
  env?: Readonly<Record<string, string>>,
) => Promise<Program>;

/** Milliseconds that memcached has to answer on a machine with much to do. */
const TIMEOUT = "5000";

/**
 * Gives a function what starts an example of Deno in the checkout, where the
 * package is known by its name; ends what it has started.
 */
export async function onDeno(
  name: string,
  fn: (start: Start) => Promise<void>,
): Promise<void> {
  const command = [Deno.execPath(), "run", "--allow-net", "main.ts"];
  await withPrograms(command, `${ROOT}/examples/${name}`, fn);
}

/** A copy of an example in which the package is installed. */
export interface Installed {
  /** Its folder. */
  readonly folder: string;
  /** Gives a function what starts it, and ends what that has started. */
  withPrograms(fn: (start: Start) => Promise<void>): Promise<void>;
}

/** What of a package.json is read here. */
interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/**
 * Gives a function an example with the package installed from a stand-in for
 * JSR's npm layer, as `jsr add` does, and what else its package.json names.
 */
export async function withInstalled(
  name: string,
  runtime: "bun" | "node",
  fn: (installed: Installed) => Promise<void>,
): Promise<void> {
  await withFolder(async (home) => {
    const folder = `${home}/${name}`;
    await succeed(["cp", "-r", `${ROOT}/examples/${name}`, folder]);
    const path = `${folder}/package.json`;
    const text = await Deno.readTextFile(path).catch(() => "{}");
    const manifest: Manifest = JSON.parse(text);
    const { dependencies, devDependencies } = manifest;
    const programs = Object.entries({ ...dependencies, ...devDependencies })
      .map(([name, range]) => `npm:${name}@${range}`);
    const registry = await NpmStandIn.start({ programs });
    try {
      await addPackage(folder, manifest, registry.url);
      const command = runtime === "bun" ? [tool(BUN), "install"] : NPM_INSTALL;
      await succeed(command, { cwd: folder, env: installEnv(folder) });
    } finally {
      await registry.close();
    }
    const command = [tool(runtime === "bun" ? BUN : NODE), "main.ts"];
    await fn({
      folder,
      withPrograms: (fn) => withPrograms(command, folder, fn),
    });
  });
}

/** The Node that the examples are run on: one that takes TypeScript as it is. */
export const NODE = "node26/bin/node";

/** Writes into package.json and .npmrc what `jsr add` does. */
async function addPackage(
  folder: string,
  manifest: Manifest,
  registry: string,
): Promise<void> {
  const dependencies = {
    ...manifest.dependencies,
    [config.name]: `npm:${NPM_NAME}@^${config.version}`,
  };
  const text = JSON.stringify({ ...manifest, dependencies });
  await Deno.writeTextFile(`${folder}/package.json`, text);
  const lines = [`registry=${registry}`, `@jsr:registry=${registry}`, ""];
  await Deno.writeTextFile(`${folder}/.npmrc`, lines.join("\n"));
}

async function withPrograms(
  command: readonly string[],
  cwd: string,
  fn: (start: Start) => Promise<void>,
): Promise<void> {
  const programs: Program[] = [];
  try {
    await fn(async (memcached, env) => {
      const args = [memcached, "0", TIMEOUT];
      const program = await Program.start([...command, ...args], cwd, env);
      programs.push(program);
      return program;
    });
  } finally {
    await Promise.all(programs.map((program) => program.kill()));
  }
}

/** Checks that a program which was asked to end did so, at once and in order. */
export function assertEnded({ code, took }: End, output: string): void {
  assert(code === 0, `exit code ${code}\n${output}`);
  assert(took < 2000, `ended after ${took} ms`);
}
