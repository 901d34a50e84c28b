/**
 * `memcache top`: a live view of the servers.
 *
 * @module
 */

import pc from "picocolors";
import type { Client } from "../../mod.ts";
import { decimal, type Register, whole } from "./arguments.ts";
import { FAILURE, messagesOf, OK, ServerFailure } from "./failure.ts";
import { pause } from "./server_commands.ts";
import type { Session } from "./session.ts";
import { json } from "./text.ts";
import {
  compare,
  draw,
  PLAIN_TITLE,
  plainLine,
  type Reading,
  type Sample,
  type Silence,
} from "./top_view.ts";

interface TopFlags {
  readonly interval: number;
  readonly count?: number;
}

/** Samples that are kept: as many as any screen is wide. */
const KEPT = 500;
/** Lines between titles, where nobody can scroll back. */
const PAGE = 20;

/** Milliseconds that a server has at least to answer. */
const MIN_WAIT = 1000;

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const REST_OF_LINE = "\x1b[K";
const REST_OF_SCREEN = "\x1b[J";

/** Registers it. */
export const registerTop: Register = (program, run) => {
  program.command("top")
    .description(
      "show what servers do, live; lines of text where there is no terminal",
    )
    .option(
      "-i, --interval <seconds>",
      "between two looks",
      decimal("--interval", 0.1, 3600),
      1,
    )
    .option("-n, --count <number>", "end after so many", whole("--count", 1))
    .action((flags: TopFlags) => run((session) => top(session, flags)));
};

async function top(
  session: Session,
  { interval, count = Infinity }: TopFlags,
): Promise<number> {
  session.endsByItself = true;
  const { terminal } = session;
  const isScreen = terminal.isOutput && !session.json;
  const { signal } = session.interrupt;
  const forget = isScreen
    ? terminal.onKey((key) => {
      if (key === "q" || key === "\x03" || key === "\x1b") {
        session.interrupt.abort();
      }
    })
    : () => {};
  if (isScreen) await terminal.write(ENTER);
  const samples: Sample[] = [];
  const readings = new Map<string, Reading>();
  const wait = Math.max(MIN_WAIT, interval * 1000);
  let code: number = OK;
  try {
    // The first look has nothing to compare with.
    await look(session, readings, wait);
    for (let i = 0; i < count && !signal.aborted; i++) {
      await pause(interval * 1000, signal);
      if (signal.aborted) break;
      const sample = await look(session, readings, wait);
      samples.push(sample);
      if (samples.length > KEPT) samples.shift();
      code = sample.servers.length === 0 ? FAILURE : OK;
      await show(session, samples, interval, i);
    }
  } finally {
    if (isScreen) await terminal.write(LEAVE);
    forget();
  }
  if (code !== OK) {
    for (const { server, why } of samples[samples.length - 1].silent) {
      terminal.warn(`memcache: ${server}: ${why}`);
    }
  }
  return code;
}

async function show(
  session: Session,
  samples: readonly Sample[],
  interval: number,
  index: number,
): Promise<void> {
  const { terminal } = session;
  const clock = new Date().toTimeString().slice(0, 8);
  const latest = samples[samples.length - 1];
  if (session.json) return await terminal.print(json(latest));
  if (!terminal.isOutput) {
    const title = index % PAGE === 0 ? `${PLAIN_TITLE}\n` : "";
    return await terminal.print(title + plainLine(latest, clock));
  }
  const lines = draw(
    { samples, interval, clock },
    terminal.columns,
    terminal.rows,
    { strong: pc.bold, faint: pc.dim, alarm: pc.red },
  );
  // One write, over what is there: no flicker.
  await terminal.write(
    HOME + lines.map((line) => line + REST_OF_LINE).join("\r\n") +
      REST_OF_SCREEN,
  );
}

/** Asks all servers, and compares with what they said before. */
async function look(
  session: Session,
  before: Map<string, Reading>,
  wait: number,
): Promise<Sample> {
  const servers = [];
  const silent: Silence[] = [];
  const outcomes = await session.each((client, server) =>
    inTime(read(client), server, wait)
  );
  for (const outcome of outcomes) {
    const { server } = outcome;
    if (!("value" in outcome)) {
      silent.push({ server, why: messagesOf(outcome.error)[0] });
      continue;
    }
    const reading = { server, ...outcome.value };
    servers.push(compare(before.get(server), reading));
    before.set(server, reading);
  }
  return { servers, silent };
}

/** Gives up on what takes too long: the view of the others goes on. */
async function inTime<T>(
  work: Promise<T>,
  server: string,
  ms: number,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ServerFailure(`${server} was silent for ${ms} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function read(client: Client): Promise<Omit<Reading, "server">> {
  const [stats, items, slabs] = await Promise.all([
    client.stats(),
    client.statsItems(),
    client.statsSlabs(),
  ]);
  return { stats, items, slabs, at: performance.now() };
}
