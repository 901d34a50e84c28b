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

/** Puts a whole process on a CPU; `false` where that cannot be done. */
export function pinServer(pid: number, cpu: number): boolean {
  return taskset(["-a", "-c", "-p", `${cpu}`, `${pid}`]);
}

/**
 * Puts this process's main thread on a CPU, 0 or 1, and all others on the
 * other of the two. Threads come and go: to be called before each round.
 */
export function pinThreads(own: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync("/proc/self/task");
  } catch {
    return false;
  }
  for (const thread of threads) {
    if (placed.has(thread)) continue;
    const main = thread === `${process.pid}`;
    const cpu = main ? own : 1 - own;
    // A thread may have ended meanwhile; the main one has not.
    if (!taskset(["-c", "-p", `${cpu}`, thread]) && main) return false;
    placed.add(thread);
  }
  return true;
}
