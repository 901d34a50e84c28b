/**
 * Measures cases on any runtime: interleaved rounds, medians.
 *
 * @module
 */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { parseServer } from "../src/conn/address.ts";
import { dial } from "../src/conn/dial.ts";

/** Reads UTF-8 into a string. */
export type ReadText = (
  bytes: Uint8Array,
  start: number,
  end: number,
) => string;

/** Something to be measured. */
export interface Case {
  /** The scenario. */
  group: string;
  /** What is compared within it. */
  name: string;
  /** Whether the others of its group are compared to it. */
  baseline: boolean;
  /** How many operations one run does. */
  count: number;
  /** How many bytes one run reads or writes. */
  bytes: number;
  /** Does them. */
  run: () => unknown;
  /** What it reads, where that is pieces of a stream. */
  chunks?: readonly Uint8Array[];
}

/** What a case came to. */
export interface Result {
  /** The case. */
  of: Case;
  /** Nanoseconds per operation, the median of all rounds. */
  median: number;
  /** The same, of the fastest round. */
  best: number;
  /** The same, of each round. */
  rounds: number[];
}

/**
 * Measures all cases in turn, round after round, so that all of them see the
 * same weather.
 *
 * @param cases What to measure.
 * @param rounds How often.
 * @param time Milliseconds per case and round.
 * @param clock Tells milliseconds: those of the day, or the processor's.
 */
export function measure(
  cases: readonly Case[],
  rounds: number = 15,
  time: number = 20,
  clock: () => number = () => performance.now(),
): Result[] {
  const samples: number[][] = cases.map(() => []);
  // The first rounds warm up and are left out.
  for (let round = -3; round < rounds; round++) {
    cases.forEach(({ run, count }, i) => {
      const start = clock();
      let now = start;
      let runs = 0;
      do {
        run();
        runs++;
        now = clock();
      } while (now - start < time);
      if (round >= 0) samples[i].push((now - start) * 1e6 / runs / count);
    });
  }
  return cases.map((of, i) => {
    const rounds = samples[i];
    const sorted = [...rounds].sort((a, b) => a - b);
    return { of, median: sorted[sorted.length >> 1], best: sorted[0], rounds };
  });
}

/** The reader of text of the runtime's own adapter. */
export async function runtimeText(): Promise<ReadText> {
  const server = createServer((socket) => socket.on("error", () => {}));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A server that listens on TCP has an address of this kind.
      resolve((server.address() as AddressInfo).port);
    });
  });
  const conn = await dial(parseServer(`127.0.0.1:${port}`), {
    signal: AbortSignal.timeout(5000),
    noDelay: true,
    keepAlive: false,
  });
  conn.start({ data() {}, drain() {}, end() {}, target: () => undefined });
  conn.close();
  server.close();
  if (conn.text === undefined) throw new Error("Cannot find the reader");
  return (bytes, start, end) => conn.text!(bytes, start, end);
}
