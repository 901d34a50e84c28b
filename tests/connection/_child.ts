/**
 * Runs a test file once more, as a program of its own with a role.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../_runtime.ts";

const ROLE = "MEMCACHE_TEST_ROLE";

/** What a child is to do. */
export interface Task {
  /** The name of its role. */
  readonly role: string;
  /** The server that it talks to. */
  readonly address: string;
}

/** Plays the role that this process was given; `false` if it was given none. */
export async function played(
  roles: Record<string, (address: string) => Promise<unknown>>,
): Promise<boolean> {
  const text = process.env[ROLE];
  if (text === undefined) return false;
  const { role, address } = JSON.parse(text) as Task;
  const result = await roles[role](address);
  if (result !== undefined) console.log(JSON.stringify(result));
  return true;
}

/** How a child ended. */
export interface Ending {
  /** What it printed, both streams. */
  readonly output: string;
  /** Milliseconds from its start to its end. */
  readonly ms: number;
}

/**
 * Starts the file `url` with a role, and waits until it has ended by itself.
 * Any other end, as by an unhandled rejection, fails the test, and so does one
 * that is not there after `limit` milliseconds.
 */
export async function play(
  url: string,
  task: Task,
  flags: { deno?: string[]; node?: string[] } = {},
  limit: number = 25_000,
): Promise<Ending> {
  const own = runtime === "deno"
    ? ["run", "-A", "--no-check", "--quiet", ...flags.deno ?? []]
    : runtime === "node"
    ? flags.node ?? []
    : [];
  const start = performance.now();
  const child = spawn(process.execPath, [...own, fileURLToPath(url)], {
    env: { ...process.env, [ROLE]: JSON.stringify(task), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (bytes: Uint8Array) => output += bytes;
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const guard = setTimeout(() => child.kill("SIGKILL"), limit);
  const [code, signal] = await once(child, "close");
  clearTimeout(guard);
  assertEquals([code, signal], [0, null], `${task.role}: ${output}`);
  return { output: output.trim(), ms: performance.now() - start };
}
