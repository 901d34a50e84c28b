/**
 * Freezes a server, for certain: a signal takes effect when the system gets to
 * it, and until then a server may answer.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Memcached } from "../_memcached.ts";

/** Milliseconds to wait where the system does not tell the state of a process. */
const GRACE = 30;

/** Freezes a server, and waits until all of its threads stand still. */
export async function freeze(server: Memcached): Promise<void> {
  const { pid } = server;
  server.pause();
  const deadline = performance.now() + 5000;
  let still = standsStill(pid);
  while (still === false) {
    if (performance.now() > deadline) throw new Error("It does not freeze");
    await new Promise((resolve) => setTimeout(resolve, 1));
    still = standsStill(pid);
  }
  if (still === undefined) {
    await new Promise((resolve) => setTimeout(resolve, GRACE));
  }
}

/** Whether every thread is stopped; `undefined` where nobody knows. */
function standsStill(pid: number): boolean | undefined {
  const folder = `/proc/${pid}/task`;
  let threads: string[];
  try {
    threads = readdirSync(folder);
  } catch {
    return undefined;
  }
  return threads.every((thread) => {
    try {
      const stat = readFileSync(`${folder}/${thread}/stat`, "utf8");
      // The state follows the name, which is in brackets.
      return stat.slice(stat.lastIndexOf(")") + 2)[0] === "T";
    } catch {
      // It has just ended.
      return true;
    }
  });
}
