/**
 * `top` and `bench`: in a pseudo-terminal, as lines, and what they draw.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { barsOf, makeHistogram, microText } from "../../src/cli/histogram.ts";
import {
  compare,
  draw,
  hitRatio,
  type Reading,
  type Sample,
  sparkline,
} from "../../src/cli/top_view.ts";
import { test } from "../_runtime.ts";
import { Pty } from "./_pty.ts";
import { run } from "./_program.ts";

const TIMEOUT = { timeout: 120_000 };
const PLAIN = {
  strong: (text: string) => text,
  faint: (text: string) => text,
  alarm: (text: string) => text,
};

test("memcache top fills a terminal, and leaves it as it was", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const pty = new Pty(["-s", server.address, "top", "--interval", "0.2"]);
  let busy = true;
  const load = (async () => {
    while (busy) {
      await client.set("k", "value");
      await client.getMany(["k", "absent", "k2"]);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  try {
    await pty.shows(/^hit ratio +33\.3 % +[▁▂▃▄▅▆▇█ ]{50,}$/m);
    await pty.shows(/^commands\/s +[1-9][\d.k]* /m);
    // The last lines of the first picture may not be there yet.
    await pty.shows(/^class [^]*\n +\d/m);
    const { screen } = pty;
    assertMatch(
      screen,
      /^memcache top {2}127\.0\.0\.1:\d+ {2}1\.6\.18, up .*q ends$/m,
    );
    assertMatch(screen, /^memory +\d+ B of 64\.0 MiB/m);
    assertMatch(screen, /^connections \d+ of 1024/m);
    assertMatch(screen, /^class +chunk +items +evicted\/s/m);
    for (const line of screen.split("\n")) assert(line.length <= 80, line);
    assert(screen.split("\n").length <= 24, screen);
    pty.type("q");
    assertEquals(await pty.ended(), 0);
    assertEquals(pty.screen, "");
  } finally {
    busy = false;
    await load;
    await pty.kill();
    await client.close();
    await server.close();
  }
}, TIMEOUT);

test("memcache top prints lines where there is no terminal", async () => {
  const server = await MemcachedServer.start();
  try {
    const args = ["top", "-i", "0.1", "-n", "2", "-s", server.address];
    const { code, out, error } = await run([...args, "-s", "127.0.0.1:1"]);
    assertEquals([code, error], [0, ""]);
    const [title, ...lines] = out.trimEnd().split("\n");
    assertMatch(title, /^ +time +hits +cmds\/s/);
    assertEquals(lines.length, 2);
    for (const line of lines) assertMatch(line, /no answer: 127\.0\.0\.1:1$/);
    const json = await run([...args, "--json"]);
    const [first] = json.out.split("\n").map((line) =>
      line && JSON.parse(line)
    );
    assertEquals(first.servers[0].server, server.address);
    const gone = await run([
      "top",
      "-i",
      "0.1",
      "-n",
      "1",
      "-s",
      "127.0.0.1:1",
    ]);
    assertEquals(gone.code, 3);
  } finally {
    await server.close();
  }
}, TIMEOUT);

test("memcache dump and restore draw a bar on a terminal", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const folder = mkdtempSync(join(tmpdir(), "memcache-bar-"));
  try {
    await client.setMany(
      Array.from({ length: 2000 }, (_, i) => [`key:${i}`, "value"]),
    );
    for (const command of ["dump", "restore"]) {
      const file = join(folder, "items");
      const pty = new Pty(["-s", server.address, command, file]);
      assertEquals(await pty.ended(), 0);
      const [bar, summary] = pty.screen.split("\n");
      assertMatch(bar, /^\w+ █{24} 100% \| 2000 items \| \S+\/s \| 0:00 left$/);
      assertMatch(summary, /^memcache: (?:dumped|restored) 2000 items, /);
    }
  } finally {
    rmSync(folder, { recursive: true });
    await client.close();
    await server.close();
  }
}, TIMEOUT);

test("memcache bench counts commands, and cleans up", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    const args = [
      "-s",
      server.address,
      "bench",
      "-k",
      "50",
      "-c",
      "2",
      "-p",
      "4",
    ];
    const { code, out, error } = await run([...args, "-n", "500"]);
    assertEquals([code, error], [0, ""]);
    assertMatch(
      out,
      /^\S+ commands\/s: 500 in \S+ s\n1 server, 2 x 4 in flight, 50 keys, /,
    );
    assertMatch(out, /^0 misses, 0 wrong values, 0 errors$/m);
    assertMatch(out, /^ +<= [\d.]+ [um]s +\d+\.\d\d % #+$/m);
    assertEquals((await client.stats()).curr_items, 0);
    const timed = await run([...args, "-d", "0.3", "--json", "--sets", "100"]);
    const result = JSON.parse(timed.out);
    assertEquals(result.microseconds.get.count, 0);
    assert(result.microseconds.set.count > 0);
    assert(result.seconds >= 0.3);
  } finally {
    await client.close();
    await server.close();
  }
}, TIMEOUT);

function reading(at: number, stats: Record<string, number>): Reading {
  return {
    server: "10.0.0.1:11211",
    at,
    stats: { version: "1.6.18", pid: 7, uptime: at / 1000, ...stats },
    items: new Map([[3, {
      number: 5,
      evicted: stats.evictions ?? 0,
      age: 60,
    }]]),
    slabs: {
      active_slabs: 1,
      total_malloced: 0,
      slabs: new Map([[3, { chunk_size: 152 }]]),
    },
  };
}

test("compare() makes rates of counters, none across a restart", () => {
  const before = reading(1000, {
    cmd_get: 10,
    get_hits: 5,
    get_misses: 5,
    evictions: 2,
  });
  const after = reading(3000, {
    cmd_get: 30,
    get_hits: 20,
    get_misses: 10,
    evictions: 8,
  });
  const sample = compare(before, after);
  assertEquals(sample.rates.get, 10);
  assertEquals([sample.hits, sample.misses], [7.5, 2.5]);
  assertEquals(hitRatio([sample]), 0.75);
  assertEquals(sample.classes[0].evicted, 3);
  assertEquals(compare(undefined, after).ops, 0);
  const restarted = { ...after, stats: { ...after.stats, pid: 8, cmd_get: 1 } };
  assertEquals(compare(before, restarted).ops, 0);
  assertEquals(hitRatio([compare(before, restarted)]), undefined);
});

test("draw() keeps to any terminal", () => {
  const before = reading(1000, { cmd_get: 10, evictions: 2 });
  const after = reading(2000, { cmd_get: 9_999_999_999, evictions: 800_000 });
  const one = compare(before, after);
  const sample: Sample = {
    servers: [one, { ...one, server: "a".repeat(60) }],
    silent: [{ server: "b".repeat(60), why: "c".repeat(80) }],
  };
  for (const [columns, rows] of [[80, 24], [60, 10], [200, 60], [40, 5]]) {
    const view = {
      samples: Array(300).fill(sample),
      interval: 1,
      clock: "12:00:00",
    };
    const lines = draw(view, columns, rows, PLAIN);
    assert(lines.length <= rows);
    for (const line of lines) {
      assert(line.length <= columns, `${columns}: ${line.length} ${line}`);
    }
  }
});

test("sparkline() draws the latest values by height", () => {
  assertEquals(sparkline([0, 1, undefined, 7], 4), "▁▂ █");
  assertEquals(sparkline([5, 0.5, 1], 2, 1), "▅█");
  assertEquals(sparkline([1], 3), "  █");
  assertEquals(sparkline([0, 0], 2), "▁▁");
});

test("makeHistogram() has percentiles that are right to within three percent", () => {
  const times = makeHistogram();
  for (let i = 1; i <= 10_000; i++) times.add(i);
  for (const share of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
    const is = times.percentile(share);
    const should = share * 10_000;
    assert(is >= should && is <= should * 1.035, `${share}: ${is}`);
  }
  assertEquals(times.max, 10_000);
  assertEquals(times.mean, 5000.5);
  const small = makeHistogram();
  for (const value of [0, 0, 31, 31]) small.add(value);
  assertEquals([small.percentile(0.5), small.percentile(1)], [0, 31]);
  assertEquals(makeHistogram().percentile(0.5), 0);
  assertEquals(barsOf(makeHistogram(), 10), []);
  const shares = barsOf(times, 10).map((line) =>
    Number(line.split("%")[0].slice(11))
  );
  assert(Math.abs(shares.reduce((a, b) => a + b, 0) - 100) < 0.1);
  assertEquals([999, 1000, 1500, 10_000, 2e6].map(microText), [
    "999 us",
    "1 ms",
    "1.50 ms",
    "10 ms",
    "2.0 s",
  ]);
});

test("docs/screens show what the program shows", async () => {
  const read = (name: string) =>
    Deno.readTextFile(`${import.meta.dirname}/../../docs/screens/${name}.txt`);
  const titles = (text: string) =>
    text.split("\n").slice(1).map((line) =>
      line.match(/^ *[a-z/]+\b.{0,5}/)?.[0]
    )
      .filter((title) => title !== undefined && !/\d/.test(title));
  const one = compare(undefined, reading(1000, {}));
  const view = {
    samples: [{ servers: [one, one], silent: [] }],
    interval: 1,
    clock: "12:00:00",
  };
  const top = await read("top");
  assertEquals(titles(top), titles(draw(view, 80, 24, PLAIN).join("\n")));
  assertMatch(
    await read("dump"),
    /^dump █+░+ \d+% \| \S+ items \| \S+\/s \| \d:\d\d left$/m,
  );
  assertMatch(
    await read("prompt"),
    /was restarted .* ago: its items are gone$/m,
  );
  for (const name of ["top", "dump", "prompt"]) {
    for (const line of (await read(name)).split("\n")) {
      assert(line.length <= 80, `${name}: ${line}`);
    }
  }
}, { runtimes: ["deno"] });
