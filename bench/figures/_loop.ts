/**
 * How long the event loop is held: from one turn to the next, nothing else of
 * the program can run.
 *
 * @module
 */
import { performance, PerformanceObserver } from "node:perf_hooks";
import process from "node:process";

/** One turn that took long. */
interface Hold {
  readonly start: number;
  /** Milliseconds that it took. */
  readonly wall: number;
  /** The same, less the time in which other processes had the processor. */
  readonly own: number;
}

/** What a watch came to, in milliseconds. */
export interface Holds {
  /** The longest turn. */
  readonly wall: number;
  /** The longest turn, less what other processes took of it. */
  readonly own: number;
  /** The same, less the garbage collector's pauses; Node only, else as `own`. */
  readonly work: number;
}

/** Turns of less than this are not looked at. */
const LONG = 2;

/** Milliseconds of processor time that this process has used. */
function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Watches the turns of the event loop until it is told to stop.
 *
 * The collector's helpers count as processor time as well, so `own` is rather
 * too much than too little.
 */
export function watchLoop(): () => Promise<Holds> {
  const holds: Hold[] = [];
  const pauses: Array<readonly [start: number, end: number]> = [];
  const node = !("Deno" in globalThis || "Bun" in globalThis);
  const observer = node
    ? new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        pauses.push([startTime, startTime + duration]);
      }
    })
    : undefined;
  observer?.observe({ entryTypes: ["gc"] });
  let stopped = false;
  let last = performance.now();
  let lastUsed = used();
  const turn = (): void => {
    const now = performance.now();
    const nowUsed = used();
    if (now - last >= LONG) {
      const wall = now - last;
      const own = Math.min(wall, nowUsed - lastUsed);
      holds.push({ start: last, wall, own });
    }
    last = now;
    lastUsed = nowUsed;
    if (!stopped) setImmediate(turn);
  };
  setImmediate(turn);
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    stopped = true;
    observer?.disconnect();
    let wall = 0;
    let own = 0;
    let work = 0;
    for (const hold of holds) {
      const end = hold.start + hold.wall;
      let collecting = 0;
      for (const [from, to] of pauses) {
        collecting += Math.max(
          0,
          Math.min(to, end) - Math.max(from, hold.start),
        );
      }
      wall = Math.max(wall, hold.wall);
      own = Math.max(own, hold.own);
      work = Math.max(work, hold.own - collecting);
    }
    const round = (ms: number) => Math.round(ms * 10) / 10;
    return { wall: round(wall), own: round(own), work: round(work) };
  };
}
