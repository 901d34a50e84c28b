/**
 * What a process holds.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import process from "node:process";

/** How many descriptors are open, 0 where the system does not tell. */
export function descriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

/** Resident memory, in MiB. */
export function residentMemory(): number {
  return process.memoryUsage().rss / 2 ** 20;
}
