/**
 * The recorded requests of the meta protocol once more, made by `client.meta`
 * on servers that are there: each comes to what was recorded. What the client
 * cannot say is sent as it was, so that each server holds what the recorded one
 * held.
 */
import { assertEquals } from "@std/assert";
import { Client, rawSerde } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, startMemcached } from "../_memcached.ts";
import { test, type TestOptions } from "../_runtime.ts";
import { optionsOf } from "../testing/_pairs.ts";
import { RawClient } from "../testing/_raw.ts";
import {
  COVERED,
  META_PAIRS,
  type MetaCase,
  type Pair,
  readMetaCases,
} from "./_meta_cases.ts";
import { type Expected, expected } from "./_meta_replies.ts";
import { assertOutcome, call } from "./_meta_requests.ts";

/** A fresh server. */
interface Server {
  readonly port: number;
  wait(seconds: number): Promise<void>;
  close(): Promise<void>;
}

type Start = (recorded: MetaCase["recorded"]) => Promise<Server>;

const SERVERS: Readonly<Record<string, readonly [Start, TestOptions]>> = {
  "the embedded server": [async (recorded) => {
    let now = 1_700_000_000_500;
    const server = await MemcachedServer.start({
      ...optionsOf(recorded),
      now: () => now,
    });
    return {
      port: server.port,
      wait: (seconds) => Promise.resolve(void (now += seconds * 1000)),
      close: () => server.close(),
    };
  }, {}],
  "memcached": [async ({ server_args: args = [] }) => {
    const server = await startMemcached({ args });
    return {
      port: server.port,
      // Its clock is the system's: a pause of the recording has to be one here.
      wait: (seconds) =>
        new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      close: () => server.kill(),
    };
  }, needsMemcached],
};

/** Times may be one off, and one more on a machine that has much to do. */
const TIMES = ["ttl", "lastAccess"];

function withoutTimes(wanted: Expected): Expected {
  if (!("result" in wanted)) return wanted;
  return { result: blank(wanted.result) };
}

function blank(result: unknown): unknown {
  if (typeof result !== "object" || result === null) return result;
  return Object.fromEntries(
    Object.entries(result).map(([name, value]) =>
      TIMES.includes(name) ? [name, "a time"] : [name, value]
    ),
  );
}

function blankReply(recv: string): string {
  return recv.replace(/ ([tl]|exp=|la=)\d+/g, " $1…");
}

/**
 * Whether the recorded line asks for the lifetime before it changes it: it was
 * told the old one. The client always asks behind that.
 */
function asksEarly(flags: readonly string[]): boolean {
  const at = flags.indexOf("t");
  return at >= 0 && flags.slice(at).some((flag) => /^[TN]/.test(flag));
}

/** Makes the calls of one case; returns how many pairs were calls. */
async function run({ recorded, pairs }: MetaCase, start: Start) {
  const server = await start(recorded);
  const client = new Client(`127.0.0.1:${server.port}`, { serde: rawSerde });
  let raw: RawClient | undefined;
  let covered = 0;
  try {
    for (const pair of pairs) {
      const about = `${recorded.id}: ${pair.send.slice(0, 100)}`;
      if (pair.wait !== undefined) await server.wait(pair.wait);
      else if (pair.reason === undefined) {
        await callAll(pair, client, about);
        if (pair.isDeterministic) covered++;
      } else {
        raw ??= await RawClient.connect(server);
        const recv = await raw.ask(pair.send, pair.recv);
        assertEquals(blankReply(recv), blankReply(pair.recv), about);
      }
    }
  } finally {
    raw?.close();
    await client.close();
    await server.close();
  }
  return covered;
}

async function callAll(
  { calls, hasTime }: Pair,
  client: Client,
  about: string,
): Promise<void> {
  const settled = await Promise.allSettled(
    calls.map(([one]) => call(client, one)),
  );
  for (const [i, [one, reply]] of calls.entries()) {
    let end = settled[i];
    let wanted = expected(one, reply);
    if (hasTime || asksEarly(one.command.flags)) {
      wanted = withoutTimes(wanted);
      if (end.status === "fulfilled") end = { ...end, value: blank(end.value) };
    }
    assertOutcome(end, wanted, about);
  }
}

for (const [name, [start, options]] of Object.entries(SERVERS)) {
  for (const file of Object.keys(META_PAIRS)) {
    test(`client.meta comes to what ${file} has, on ${name}`, async () => {
      let covered = 0;
      for (const one of readMetaCases(file)) covered += await run(one, start);
      assertEquals(covered, COVERED[file]);
    }, { ...options, timeout: 60_000 });
  }
}
