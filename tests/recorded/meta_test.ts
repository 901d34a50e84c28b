/**
 * Every recorded request and reply of the meta protocol: what `client.meta`
 * sends for it, and what it makes of the reply.
 */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Client, MemcacheIllegalInputError, rawSerde } from "@x/memcache";
import { test } from "../_runtime.ts";
import {
  COVERED,
  META_PAIRS,
  type Pair,
  readMetaCases,
} from "./_meta_cases.ts";
import { Peer } from "./_meta_peer.ts";
import { errorOf, expected } from "./_meta_replies.ts";
import { assertOutcome, call } from "./_meta_requests.ts";

/** A client of a server that plays what was recorded. */
async function play(
  use: (client: Client, peer: Peer) => Promise<void>,
): Promise<void> {
  const peer = new Peer();
  const client = new Client("recorded:1", { dial: peer.dial, serde: rawSerde });
  try {
    await use(client, peer);
    if (peer.fault !== undefined) throw peer.fault;
    assertEquals(peer.plays, []);
  } finally {
    await client.close();
  }
}

/** Makes the calls of a pair: all at once, as they were sent. */
async function callAll(
  { calls, send }: Pair,
  client: Client,
  peer: Peer,
): Promise<void> {
  for (const [{ command }, reply] of calls) peer.plays.push({ command, reply });
  const ends = calls.map(([one]) => call(client, one));
  const settled = await Promise.allSettled(ends);
  if (peer.fault !== undefined) throw peer.fault;
  for (const [i, [one, reply]] of calls.entries()) {
    assertOutcome(settled[i], expected(one, reply), send);
  }
}

/** What the client does not say, it can be told the error of all the same. */
async function hearError(recv: string): Promise<boolean> {
  const [line] = recv.split("\r\n");
  const kind = errorOf(line);
  if (kind === undefined) return false;
  await play(async (client, peer) => {
    peer.plays.push({ reply: `${line}\r\n` });
    const error = await assertRejects(() => client.meta.get("k"));
    assertInstanceOf(error, kind, line);
    assertEquals(error.constructor, kind, line);
  });
  return true;
}

for (const [file, count] of Object.entries(META_PAIRS)) {
  test(`client.meta reads ${file} as the table of replies says`, async () => {
    const reasons = new Map<string, number>();
    let covered = 0;
    let errors = 0;
    for (const { recorded, pairs } of readMetaCases(file)) {
      await play(async (client, peer) => {
        for (const pair of pairs) {
          const { reason, refused, recv } = pair;
          if (pair.wait !== undefined || !pair.isDeterministic) continue;
          try {
            if (reason === undefined) {
              await callAll(pair, client, peer);
              covered++;
              continue;
            }
            reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
            if (refused !== undefined) {
              const { length } = peer.read;
              const error = await assertRejects(
                () => call(client, refused),
                MemcacheIllegalInputError,
              );
              assertEquals([error.sent, peer.read.length], [false, length]);
            }
            if (await hearError(recv)) errors++;
          } catch (error) {
            if (error instanceof Error) {
              error.message = `${recorded.id}: ${pair.send}: ${error.message}`;
            }
            throw error;
          }
        }
      });
    }
    const listed = [...reasons.values()].reduce((sum, n) => sum + n, 0);
    const lines = [...reasons].sort(([, a], [, b]) => b - a)
      .map(([reason, n]) => `  ${String(n).padStart(3)} ${reason}`);
    console.log(
      `${file}: ${covered} pairs sent and read, ${listed} not for client.meta ` +
        `to say (of these ${errors} errors, heard):\n${lines.join("\n")}`,
    );
    assertEquals(covered + listed, count);
    assertEquals(covered, COVERED[file]);
  }, { timeout: 60_000 });
}
