/**
 * Runs the command line program as a process of the runtime that the test is
 * running on, with pipes or in a pseudo-terminal.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { runtime } from "../_runtime.ts";

/** What a run came to. */
export interface Result {
  /** The exit code; -1 if a signal ended it. */
  readonly code: number;
  /** What it printed. */
  readonly out: string;
  /** The same as bytes. */
  readonly bytes: Uint8Array;
  /** What it said on standard error. */
  readonly error: string;
}

/** How it is run. */
export interface RunOptions {
  /** What it reads; nothing if absent. */
  readonly input?: string | Uint8Array;
  /** Variables beside those of this process. */
  readonly env?: Record<string, string>;
  /** Leaves its input open. */
  readonly open?: boolean;
}

/** The command that starts the program. */
export function commandOf(args: readonly string[]): [string, string[]] {
  const program = `${import.meta.dirname}/_main.${
    runtime === "deno" ? "ts" : "js"
  }`;
  const before = runtime === "deno" ? ["run", "-A", "--quiet"] : [];
  return [process.execPath, [...before, program, ...args]];
}

/** The environment of the program: ours, without what would change its ways. */
export function environment(
  more: Record<string, string> = {},
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) env[name] = value;
  }
  for (const name of ["MEMCACHED_URL", "CI", "FORCE_COLOR"]) delete env[name];
  const { COVERAGE_OF_PROGRAMS: coverage } = env;
  return {
    ...env,
    ...(coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage }),
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
    ...more,
  };
}

/** Starts the program, for a test that ends it. */
export function start(
  args: readonly string[],
  { env }: RunOptions = {},
): ChildProcess {
  const [command, all] = commandOf(args);
  return spawn(command, all, { env: environment(env) });
}

/** Runs the program to its end. */
export function run(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const child = start(args, options);
  child.stdin?.on("error", () => {});
  if (options.input !== undefined) child.stdin?.write(options.input);
  if (!options.open) child.stdin?.end();
  return resultOf(child);
}

/** Sends Ctrl-C. */
export function interrupt({ pid }: ChildProcess): void {
  // Deno's ChildProcess.kill() tells of a process that it was ended by the
  // signal, also where it ended by itself.
  if (pid !== undefined) process.kill(pid, "SIGINT");
}

/** Waits for the end of a program. */
export function resultOf(child: ChildProcess): Promise<Result> {
  const read = (stream: ChildProcess["stdout"]): Uint8Array[] => {
    const chunks: Uint8Array[] = [];
    stream?.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    return chunks;
  };
  const out = read(child.stdout);
  const error = read(child.stderr);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const bytes = joined(out);
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      resolve({
        code: code ?? -1,
        bytes,
        out: text(bytes),
        error: text(joined(error)),
      });
    });
  });
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
