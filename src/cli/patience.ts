/**
 * Waits for servers that have gone away for a while.
 *
 * @module
 */

import {
  MemcacheAuthError,
  MemcacheConnectionError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "../../mod.ts";
import { Interrupted, messagesOf } from "./failure.ts";
import { pause } from "./server_commands.ts";
import type { Session } from "./session.ts";

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000;

/** Whether a server may be there again later. */
export function mayPass(error: unknown): boolean {
  return error instanceof MemcacheConnectionError &&
      !(error instanceof MemcacheAuthError) ||
    error instanceof MemcacheTimeoutError ||
    error instanceof MemcacheUnexpectedCloseError;
}

/**
 * Does something that may be done twice, again and again while servers are
 * away, for so many seconds.
 *
 * @throws The last failure, or {@linkcode Interrupted}.
 */
export async function patiently<T>(
  session: Session,
  seconds: number,
  work: () => Promise<T>,
): Promise<T> {
  const { signal } = session.interrupt;
  const begun = performance.now();
  let isTold = false;
  for (let ms = FIRST_PAUSE;; ms = Math.min(2 * ms, LONGEST_PAUSE)) {
    if (signal.aborted) throw new Interrupted("Interrupted");
    try {
      const result = await work();
      if (isTold) session.terminal.warn("memcache: going on");
      return result;
    } catch (error) {
      const left = begun + seconds * 1000 - performance.now();
      if (!mayPass(error) || left <= 0) throw error;
      if (!isTold) {
        isTold = true;
        session.terminal.warn(
          `memcache: ${messagesOf(error)[0]}; waiting up to ${seconds} s`,
        );
      }
      await pause(Math.min(ms, left), signal);
    }
  }
}
