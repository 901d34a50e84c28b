/**
 * Where the time of a load goes: samples of the runtime's own profiler, by the
 * part of our client that was at work, or by what the runtime did for it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import inspector from "node:inspector";
import process from "node:process";

/** A function that was found at work. */
interface Frame {
  functionName: string;
  url: string;
  lineNumber: number;
}

/** What the profiler returns. */
interface Samples {
  nodes: { id: number; callFrame: Frame }[];
  samples: number[];
  timeDeltas: number[];
}

/** Microseconds between two samples. */
const INTERVAL = 100;

/** The source files of a bundle, by the line each begins at. */
const bundles = new Map<string, [line: number, file: string][]>();

/** Where a function of a bundle came from: the bundler says so in comments. */
function sourceOf(url: string, line: number): string {
  const known = bundles.get(url);
  if (known === undefined) {
    const files: [number, string][] = [];
    readFileSync(new URL(url), "utf8").split("\n").forEach((text, i) => {
      const [, file] = /^\s*\/\/ ((?:src|bench)\/\S+\.ts)$/.exec(text) ?? [];
      if (file !== undefined) files.push([i, file]);
    });
    bundles.set(url, files);
    return sourceOf(url, line);
  }
  return known.findLast(([start]) => start <= line)?.[1] ?? "";
}

/** The part of our client or of the runtime that a function belongs to. */
function partOf({ functionName, url, lineNumber }: Frame): string {
  if (functionName === "(garbage collector)") return "garbage collection";
  if (functionName === "(idle)") return "idle: the server's turn";
  if (functionName === "(program)" || functionName === "(root)") {
    return "the runtime itself";
  }
  const file = url.startsWith("file:") && url.endsWith(".js")
    ? sourceOf(url, lineNumber)
    : url.replace(/^.*\/((?:src|bench)\/)/, "$1");
  if (file.startsWith("bench/")) return "callers (this program)";
  const [, part] = /^src\/(\w+)/.exec(file) ?? [];
  if (part === "conn") return "our transport (src/conn)";
  if (part !== undefined) return `ours: src/${part}`;
  return /net|stream|socket|write|read/i.test(`${functionName} ${url}`)
    ? "the runtime's sockets"
    : "the runtime itself";
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const file = url.startsWith("file:") && url.endsWith(".js")
    ? sourceOf(url, lineNumber)
    : url.replace(/^.*\/((?:src|bench)\/)/, "$1");
  return `${name} ${file}`;
}

/** Calls the profiler. */
function post<T>(
  session: inspector.Session,
  method: string,
  options: object = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    session.post(method, options, (error: Error | null, result?: object) => {
      if (error) reject(error);
      else resolve(result as T);
    });
  });
}

/**
 * Profiles a run.
 *
 * @param run Does operations and resolves to how many.
 * @returns Lines to print: parts, then functions, with nanoseconds per
 * operation of the main thread's time.
 */
export async function profile(run: () => Promise<number>): Promise<string[]> {
  const session = new inspector.Session();
  session.connect();
  await post(session, "Profiler.enable");
  await post(session, "Profiler.setSamplingInterval", { interval: INTERVAL });
  await post(session, "Profiler.start");
  const usage = process.cpuUsage();
  const begun = performance.now();
  const count = await run();
  const elapsed = performance.now() - begun;
  const { user, system } = process.cpuUsage(usage);
  const { profile } = await post<{ profile: Samples }>(
    session,
    "Profiler.stop",
  );
  session.disconnect();
  const frames = new Map(
    profile.nodes.map(({ id, callFrame }) => [id, callFrame] as const),
  );
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  profile.samples.forEach((id, i) => {
    const time = profile.timeDeltas[i];
    const frame = frames.get(id)!;
    const add = (to: Map<string, number>, name: string) =>
      to.set(name, (to.get(name) ?? 0) + time);
    add(parts, partOf(frame));
    add(functions, nameOf(frame));
    total += time;
  });
  const list = (of: Map<string, number>, most: number): string[] =>
    [...of].sort(([, a], [, b]) => b - a).slice(0, most).map(([name, time]) => {
      const share = time / total;
      const each = share * elapsed * 1e6 / count;
      return `${(share * 100).toFixed(1).padStart(6)} % ${
        each.toFixed(0).padStart(7)
      } ns  ${name}`;
    });
  const rate = (count / elapsed).toFixed(0);
  const cpu = ((user + system) / count).toFixed(2);
  return [
    `${rate}k op/s under the profiler, ${cpu} us CPU per op`,
    ...list(parts, 20),
    "  functions:",
    ...list(functions, 16),
  ];
}
