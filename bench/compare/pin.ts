/**
 * Threads on CPUs: what is measured and its server share one, helper threads
 * have another, or the scheduler's choice is what is measured.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";

const placed = new Set<string>();

function taskset(args: readonly string[]): boolean {
  const { status, error } = spawnSync("taskset", args, { stdio: "ignore" });
  return error === undefined && status === 0;
}

/** Puts a whole process on CPU 0; `false` where that cannot be done. */
export function pinServer(pid: number): boolean {
  return taskset(["-a", "-c", "-p", "0", `${pid}`]);
}

/**
 * Puts this process's main thread on CPU 0 and all others on CPU 1. Threads
 * come and go: to be called before each round.
 */
export function pinThreads(): boolean {
  let threads: string[];
  try {
    threads = readdirSync("/proc/self/task");
  } catch {
    return false;
  }
  for (const thread of threads) {
    if (placed.has(thread)) continue;
    const cpu = thread === `${process.pid}` ? "0" : "1";
    // A thread may have ended meanwhile; the main one has not.
    if (!taskset(["-c", "-p", cpu, thread]) && cpu === "0") return false;
    placed.add(thread);
  }
  return true;
}
