import { assert, assertEquals, assertGreater } from "@std/assert";
import { type Client, MemcacheError } from "@x/memcache";
import type { Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { allWithin, type Outcome, outcome, warm, withPair } from "./_calls.ts";
import { random } from "./_random.ts";

/** Changes one byte of a text, or takes it out, or puts one in. */
function damaged(text: string, at: number, next: () => number): string {
  const before = text.slice(0, at);
  const after = text.slice(at + 1);
  const unit = text.charCodeAt(at);
  const any = String.fromCharCode(Math.floor(next() * 256));
  switch (Math.floor(next() * 6)) {
    case 0:
      return before +
        String.fromCharCode(unit ^ (1 << Math.floor(next() * 8))) + after;
    case 1:
      return before + any + after;
    case 2:
      return before + after;
    case 3:
      return before + text[at] + text[at] + after;
    case 4:
      return before + any + text.slice(at);
    default:
      return before + "\r\n" + text.slice(at);
  }
}

/**
 * A place of a reply that a client can know to be damaged: neither in a value,
 * nor in the flags that say how a value is to be read.
 */
function place(reply: string, next: () => number): number {
  const free: number[] = [];
  let data = 0;
  const lines = /([^\r]*)\r\n/y;
  for (let at = 0; at < reply.length;) {
    lines.lastIndex = at;
    const [whole, line] = lines.exec(reply) ?? ["", ""];
    if (whole === "") break;
    const flags = /^VALUE \S+ (\d+)|^VA \d+ .*?f(\d+)/.exec(line);
    const number = flags?.[1] ?? flags?.[2];
    const from = number === undefined
      ? -1
      : (flags?.[0].length ?? 0) - number.length;
    for (let i = 0; i < whole.length; i++) {
      if (i < from || i > from + (number?.length ?? 0)) free.push(at + i);
    }
    at += whole.length;
    data = Number(
      /^VALUE \S+ \d+ (\d+)|^VA (\d+)/.exec(line)?.slice(1).join("") || -2,
    );
    at += data + 2;
  }
  return free[Math.floor(next() * free.length)];
}

/** Calls whose right answers are known. */
function calls(
  client: Client,
): Array<readonly [() => Promise<unknown>, unknown]> {
  return [
    [() => client.get("k1"), "vk1"],
    [
      () => client.getMany(["k2", "none", "k3"]),
      new Map([["k2", "vk2"], ["k3", "vk3"]]),
    ],
    [() => client.set("s", "v"), true],
    [() => client.get("none"), undefined],
    [() => client.has("k4"), true],
    [() => client.delete("none"), false],
    [() => client.touch("k5", 60), true],
    [() => client.get("k6"), "vk6"],
    [() => client.add("k7", "x"), false],
    [() => client.get("k8"), "vk8"],
  ];
}

for (const protocol of ["auto", "classic"] as const) {
  test(`Client gives no wrong answer where a byte of a reply is damaged (${protocol})`, async () => {
    const next = random(protocol.length);
    const options = { protocol, timeout: 60 };
    await withPair({}, options, async ({ server, client }) => {
      for (let i = 0; i < 9; i++) {
        server.items.set(`k${i}`, { flags: "16", data: `vk${i}`, cas: 1 });
      }
      let wrong = 0;
      let right = 0;
      for (let round = 0; round < 150; round++) {
        server.script = (command, peer) => peer.reply(command);
        while ((await outcome(() => warm(client))).error !== undefined);
        const victim = Math.floor(next() * 10);
        let count = 0;
        let what = "";
        const script: Script = (command, peer) => {
          const reply = peer.reply(command);
          if (command.name === "mn" || count++ !== victim) return reply;
          what = damaged(reply, place(reply, next), next);
          return what;
        };
        server.script = script;
        const asked = calls(client);
        // Every call ends, whatever is missing; how soon is tested elsewhere.
        const ends: Outcome[] = await allWithin(
          60 + 500,
          asked.map(([call]) => call),
        );
        ends.forEach(({ value, error }, i) => {
          if (error === undefined) {
            assertEquals(value, asked[i][1], JSON.stringify(what));
            right++;
          } else {
            assert(error instanceof MemcacheError, JSON.stringify(what));
            wrong++;
          }
        });
      }
      assertGreater(right, 300);
      assertGreater(wrong, 300);
    });
  });
}
