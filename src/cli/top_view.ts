/**
 * What `memcache top` shows: numbers of servers as lines of text.
 *
 * @module
 */

import type { Stats, StatsItems, StatsSlabs } from "../../mod.ts";
import { bytesText, countText, timeText } from "./text.ts";

/** What one server said at one time. */
export interface Reading {
  readonly server: string;
  /** Milliseconds, of a clock that only goes forward. */
  readonly at: number;
  readonly stats: Stats;
  readonly items: StatsItems;
  readonly slabs: StatsSlabs;
}

/** A server that did not answer. */
export interface Silence {
  readonly server: string;
  readonly why: string;
}

/** The commands that are told apart, by the counters that they are made of. */
const COMMANDS: readonly (readonly [string, readonly string[]])[] = [
  ["get", ["cmd_get"]],
  ["set", ["cmd_set"]],
  ["delete", ["delete_hits", "delete_misses"]],
  ["incr", ["incr_hits", "incr_misses"]],
  ["decr", ["decr_hits", "decr_misses"]],
  ["touch", ["cmd_touch"]],
];

/** What happened between two readings of all servers. */
export interface Sample {
  readonly servers: readonly ServerSample[];
  readonly silent: readonly Silence[];
}

/** Of one server: rates are by second. */
export interface ServerSample {
  readonly server: string;
  readonly version: string;
  readonly uptime: number;
  readonly rates: Readonly<Record<string, number>>;
  readonly ops: number;
  readonly hits: number;
  readonly misses: number;
  readonly bytes: number;
  readonly limit: number;
  readonly count: number;
  readonly connections: number;
  readonly maxConnections: number;
  readonly rejected: number;
  readonly opened: number;
  readonly received: number;
  readonly sent: number;
  readonly evicted: number;
  readonly expired: number;
  readonly classes: readonly ClassSample[];
}

/** Of one slab class. */
export interface ClassSample {
  readonly id: number;
  readonly chunk: number;
  readonly items: number;
  readonly evicted: number;
  readonly evictedEver: number;
  readonly age: number;
}

function number(value: unknown): number {
  return value === undefined ? 0 : Number(value);
}

/** What happened between two readings; rates are 0 where there is no earlier. */
export function compare(
  before: Reading | undefined,
  after: Reading,
): ServerSample {
  const { stats } = after;
  // After a restart the counters begin anew.
  const same = before !== undefined &&
      number(before.stats.pid) === number(stats.pid) &&
      number(before.stats.uptime) <= number(stats.uptime)
    ? before
    : undefined;
  const seconds = same === undefined ? 1 : (after.at - same.at) / 1000;
  const per = (now: number, then: number): number =>
    same === undefined || seconds <= 0 ? 0 : Math.max(0, now - then) / seconds;
  const rate = (...names: string[]): number =>
    names.reduce(
      (sum, name) => sum + per(number(stats[name]), number(same?.stats[name])),
      0,
    );
  const rates = Object.fromEntries(
    COMMANDS.map(([name, counters]) => [name, rate(...counters)]),
  );
  return {
    server: after.server,
    version: String(stats.version),
    uptime: number(stats.uptime),
    rates,
    ops: Object.values(rates).reduce((a, b) => a + b, 0),
    hits: rate("get_hits"),
    misses: rate("get_misses"),
    bytes: number(stats.bytes),
    limit: number(stats.limit_maxbytes),
    count: number(stats.curr_items),
    connections: number(stats.curr_connections),
    maxConnections: number(stats.max_connections),
    rejected: rate("rejected_connections"),
    opened: rate("total_connections"),
    received: rate("bytes_read"),
    sent: rate("bytes_written"),
    evicted: rate("evictions"),
    expired: rate("reclaimed"),
    classes: [...after.items].map(([id, item]) => ({
      id,
      chunk: number(after.slabs.slabs.get(id)?.chunk_size),
      items: number(item.number),
      evicted: per(
        number(item.evicted),
        number(same?.items.get(id)?.evicted),
      ),
      evictedEver: number(item.evicted),
      age: number(item.age),
    })),
  };
}

/** The share of hits, if there were reads. */
export function hitRatio(
  servers: readonly Pick<ServerSample, "hits" | "misses">[],
): number | undefined {
  const hits = sum(servers, ({ hits }) => hits);
  const all = hits + sum(servers, ({ misses }) => misses);
  return all > 0 ? hits / all : undefined;
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((sum, one) => sum + of(one), 0);
}

const TICKS = "▁▂▃▄▅▆▇█";

/** Numbers as a line of little bars: blanks where there are none. */
export function sparkline(
  values: readonly (number | undefined)[],
  width: number,
  most?: number,
): string {
  const last = values.slice(-width);
  const top = most ?? Math.max(0, ...last.map((value) => value ?? 0));
  return last.map((value) => {
    if (value === undefined) return " ";
    const tick = top <= 0 ? 0 : Math.round(value / top * (TICKS.length - 1));
    return TICKS[Math.max(0, Math.min(TICKS.length - 1, tick))];
  }).join("").padStart(width);
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? "-" : `${(ratio * 100).toFixed(1)} %`;
}

/** Ways to make text stand out. */
export interface Style {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly alarm: (text: string) => string;
}

/** What is shown, and of how long. */
export interface View {
  /** The samples so far, the latest last. */
  readonly samples: readonly Sample[];
  /** Seconds between them. */
  readonly interval: number;
  /** Time of day. */
  readonly clock: string;
}

/** Draws a screen: lines that are not longer than it is wide, nor more than it has. */
export function draw(
  { samples, interval, clock }: View,
  width: number,
  height: number,
  { strong, faint, alarm }: Style,
): string[] {
  const latest = samples[samples.length - 1];
  const { servers, silent } = latest;
  const fit = (text: string) => text.slice(0, width);
  const chart = Math.max(10, width - 26);
  const history = (of: (sample: Sample) => number | undefined) =>
    samples.map(of);
  const ops = (sample: Sample) => sum(sample.servers, ({ ops }) => ops);
  const evicted = (sample: Sample) => sum(sample.servers, (s) => s.evicted);
  const row = (
    title: string,
    text: string,
    values: readonly (number | undefined)[],
    most?: number,
  ) =>
    `${strong(title.padEnd(12))}${text.padStart(11)}  ${
      sparkline(values, chart, most)
    }`;
  const bytes = sum(servers, ({ bytes }) => bytes);
  const limit = sum(servers, ({ limit }) => limit);
  const share = limit > 0 ? bytes / limit : 0;
  const count = servers.length + silent.length;
  const title = count === 1
    ? `memcache top  ${(servers[0] ?? silent[0]).server}`
    : `memcache top  ${count} servers`;
  const about = servers.length === 1
    ? `  ${servers[0].version}, up ${timeText(servers[0].uptime)}`
    : "";
  const end = `${clock}, every ${interval} s, q ends`;
  const lines = [
    strong(
      fit(
        `${title}${about}`.slice(0, width - end.length - 1)
          .padEnd(width - end.length) + end,
      ),
    ),
    "",
    row(
      "hit ratio",
      percent(hitRatio(servers)),
      history((s) => hitRatio(s.servers)),
      1,
    ),
    row("commands/s", countText(ops(latest)), history(ops)),
    row("evictions/s", countText(evicted(latest)), history(evicted)),
    "",
    fit(
      "commands/s  " +
        COMMANDS.map(([name]) =>
          `${name} ${countText(sum(servers, ({ rates }) => rates[name]))}`
        ).join("  "),
    ),
    fit(
      `memory      ${bytesText(bytes)} of ${bytesText(limit)}, ${
        percent(share)
      }  ${gauge(share, 20)}  ${countText(sum(servers, (s) => s.count))} items`,
    ),
    fit(
      `connections ${sum(servers, (s) => s.connections)} of ${
        sum(servers, (s) => s.maxConnections)
      }, ${countText(sum(servers, (s) => s.opened))} new/s, ${
        countText(sum(servers, (s) => s.rejected))
      } refused/s`,
    ),
    fit(
      `traffic     in ${bytesText(sum(servers, (s) => s.received))}/s  out ${
        bytesText(sum(servers, (s) => s.sent))
      }/s  expired ${countText(sum(servers, (s) => s.expired))}/s`,
    ),
    "",
  ];
  if (count > 1) {
    lines.push(faint(fit(
      `${"server".padEnd(28)}${"hits".padStart(8)}${"cmds/s".padStart(9)}${
        "items".padStart(9)
      }${"memory".padStart(9)}${"conns".padStart(7)}${"evict/s".padStart(9)}`,
    )));
    for (const s of servers) {
      lines.push(fit(
        `${s.server.slice(-27).padEnd(28)}${
          percent(hitRatio([s])).padStart(8)
        }${countText(s.ops).padStart(9)}${countText(s.count).padStart(9)}${
          percent(s.limit > 0 ? s.bytes / s.limit : 0).padStart(9)
        }${String(s.connections).padStart(7)}${
          countText(s.evicted).padStart(9)
        }`,
      ));
    }
  }
  for (const { server, why } of silent) {
    lines.push(alarm(fit(`${server} does not answer: ${why}`)));
  }
  if (count > 1 || silent.length > 0) lines.push("");
  lines.push(...classLines(servers, height - lines.length, fit, faint));
  return lines.slice(0, height);
}

/** The slab classes that evict most, then those with most items. */
function classLines(
  servers: readonly ServerSample[],
  room: number,
  fit: (text: string) => string,
  faint: (text: string) => string,
): string[] {
  const all = new Map<number, ClassSample>();
  for (const { classes } of servers) {
    for (const one of classes) {
      const other = all.get(one.id);
      all.set(one.id, {
        id: one.id,
        chunk: one.chunk,
        items: one.items + (other?.items ?? 0),
        evicted: one.evicted + (other?.evicted ?? 0),
        evictedEver: one.evictedEver + (other?.evictedEver ?? 0),
        age: Math.max(one.age, other?.age ?? 0),
      });
    }
  }
  if (all.size === 0 || room < 2) return [];
  const shown = [...all.values()]
    .sort((a, b) =>
      b.evicted - a.evicted || b.evictedEver - a.evictedEver ||
      b.items - a.items
    )
    .slice(0, room - 1);
  return [
    faint(fit(
      `${"class".padStart(5)}${"chunk".padStart(11)}${"items".padStart(10)}${
        "evicted/s".padStart(11)
      }${"evicted".padStart(10)}${"oldest".padStart(10)}`,
    )),
    ...shown.map((one) =>
      fit(
        `${String(one.id).padStart(5)}${bytesText(one.chunk).padStart(11)}${
          countText(one.items).padStart(10)
        }${countText(one.evicted).padStart(11)}${
          countText(one.evictedEver).padStart(10)
        }${timeText(one.age).padStart(10)}`,
      )
    ),
  ];
}

function gauge(share: number, width: number): string {
  const full = Math.max(0, Math.min(width, Math.round(share * width)));
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
}

/** The titles above {@linkcode plainLine}. */
export const PLAIN_TITLE: string = [
  ...["    time", "    hits", "   cmds/s", "    get/s", "    set/s"],
  ...["    items", "  memory", "  conns", " evict/s"],
].join("");

/** A sample as one line, for files and pipes. */
export function plainLine({ servers, silent }: Sample, clock: string): string {
  const limit = sum(servers, (s) => s.limit);
  const bytes = sum(servers, (s) => s.bytes);
  const line = [
    clock.padStart(8),
    percent(hitRatio(servers)).padStart(8),
    countText(sum(servers, (s) => s.ops)).padStart(9),
    countText(sum(servers, (s) => s.rates.get)).padStart(9),
    countText(sum(servers, (s) => s.rates.set)).padStart(9),
    countText(sum(servers, (s) => s.count)).padStart(9),
    percent(limit > 0 ? bytes / limit : 0).padStart(8),
    String(sum(servers, (s) => s.connections)).padStart(7),
    countText(sum(servers, (s) => s.evicted)).padStart(8),
  ].join("");
  return silent.length === 0
    ? line
    : `${line}  no answer: ${silent.map(({ server }) => server).join(", ")}`;
}
