import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
} from "@std/assert";
import {
  Client,
  type CommandOptions,
  type Conn,
  type ConnEvents,
  jsonSerde,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import type { Peer, Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  acquaint,
  type Outcome,
  outcome,
  turn,
  watched,
  withPair,
} from "./_calls.ts";
import { random } from "./_random.ts";

const keys = (count: number) =>
  Array.from({ length: count }, (_, i) => `k${i}`);

for (const protocol of ["auto", "classic"] as const) {
  test(`Client sends what one turn asks for in one write (${protocol})`, async () => {
    const traffic = watched();
    await withPair(
      {},
      { protocol, dial: traffic.dial },
      async ({ server, client }) => {
        for (const key of keys(64)) {
          server.items.set(key, { flags: "16", data: `v${key}`, cas: 1 });
        }
        const read = async () => {
          const writes = traffic.writes.length;
          const packets = server.last?.packets.length ?? 0;
          const values = await Promise.all(
            keys(64).map((key) => client.get(key)),
          );
          assertEquals(values, keys(64).map((key) => `v${key}`));
          return [
            traffic.writes.length - writes,
            server.last.packets.length - packets,
          ];
        };
        assertEquals(await read(), [1, 1], "the first packet, with the probe");
        assertEquals(await read(), [1, 1], "the second packet");
        // Callers who are a few awaits apart still share a write.
        const writes = traffic.writes.length;
        await Promise.all(
          keys(64).map(async (key, i) => {
            for (let await_ = 0; await_ < i % 4; await_++) await null;
            await client.get(key);
          }),
        );
        assertEquals(traffic.writes.length - writes, 1);
      },
    );
  });
}

test("Client sends a lone command at once, and what comes beside it in one more write", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ client }) => {
    await client.get("warm");
    await client.get("warm");
    const writes = traffic.writes.length;
    await Promise.all(keys(64).map((key) => client.get(key)));
    assertLessOrEqual(traffic.writes.length - writes, 2);
  });
});

test("Client gathers commands without a reply, also behind a lone command", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ client }) => {
    await acquaint(client);
    const writes = traffic.writes.length;
    await Promise.all(
      keys(64).map((key) => client.set(key, "v", { noreply: true })),
    );
    assertEquals(traffic.writes.length - writes, 1);
  });
});

test("Client sends hundreds of gets, and each caller gets its own value", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol }, async ({ server, client }) => {
      const all = keys(1000);
      all.forEach((key, i) => {
        // Every third is a miss.
        if (i % 3 !== 0) {
          server.items.set(key, { flags: "16", data: `v${key}`, cas: 1 });
        }
      });
      const wanted = all.map((key, i) => i % 3 === 0 ? undefined : `v${key}`);
      await client.get("warm");
      const values = await Promise.all(all.map((key) => client.get(key)));
      assertEquals(values, wanted);
      // The same key many times, on whatever lines they travel.
      const same = await Promise.all(all.map(() => client.get("k1")));
      assertEquals([...new Set(same)], ["vk1"]);
      assert(server.lines.every((line) => line.length <= 100 * 260));
    });
  }
});

/** Sends replies in random pieces at random times, and may cut the line. */
function shuffled(random: () => number, cuts: number): Script {
  const waiting = new Map<Peer, string>();
  const send = (peer: Peer): void => {
    const text = waiting.get(peer) ?? "";
    waiting.delete(peer);
    if (peer.closed) return;
    if (random() < cuts) {
      const rest = text.slice(0, Math.floor(random() * text.length));
      return random() < 0.5 ? peer.end(rest) : peer.reset();
    }
    const size = random() < 0.3 ? text.length : 1 + Math.floor(random() * 40);
    peer.send(text.slice(0, size));
    if (size < text.length) put(peer, text.slice(size));
  };
  const put = (peer: Peer, text: string): void => {
    const before = waiting.get(peer);
    waiting.set(peer, (before ?? "") + text);
    if (before !== undefined) return;
    if (random() < 0.2) setTimeout(send, random() * 4, peer);
    else setImmediate(send, peer);
  };
  return (command, peer) => {
    put(peer, peer.reply(command));
    return undefined;
  };
}

/** A call, and all that it may resolve to. */
type Call = readonly [call: Promise<unknown>, wanted: unknown];

/** Makes a call whose answer can be no other call's. */
function anyCall(client: Client, n: number, random: () => number): Call {
  const options: CommandOptions = {};
  if (random() < 0.1) options.timeout = 1 + Math.floor(random() * 10);
  if (random() < 0.1) {
    const controller = new AbortController();
    options.signal = controller.signal;
    if (random() < 0.5) {
      setTimeout(() => controller.abort("gone"), random() * 5);
    } else setImmediate(() => controller.abort("gone"));
  }
  const at = Math.floor(random() * 50);
  switch (Math.floor(random() * 8)) {
    case 0:
      return [client.get(`none${n}`, options), undefined];
    case 1:
      return [client.set(`s${n}`, `new${n}`, options), true];
    case 2:
      return [client.add(`k${at}`, "other", options), false];
    case 3: {
      const wanted = new Map([[`k${at}`, `vk${at}`], ["k50", "vk50"]]);
      return [client.getMany([`k${at}`, "none", "k50"], options), wanted];
    }
    case 4:
      return [client.incr(`c${n}`, 1, options), n * 3 + 1];
    case 5:
      return [client.touch(`none${n}`, 10, options), false];
    case 6:
      return [
        client.gets(`k${at}`, options),
        { value: `vk${at}`, cas: BigInt(at + 1) },
      ];
    default:
      return [client.get(`k${at}`, options), `vk${at}`];
  }
}

for (
  const [name, cuts] of [["delays", 0], ["delays and cuts", 0.02]] as const
) {
  for (const protocol of ["auto", "classic"] as const) {
    test(`Client gives every call its own answer under random ${name} (${protocol})`, async () => {
      const next = random(protocol.length * 100 + (cuts > 0 ? 7 : 1));
      const options = { protocol, timeout: 2000 };
      await withPair(
        { command: shuffled(next, cuts) },
        options,
        async (pair) => {
          const { server, client } = pair;
          for (let i = 0; i <= 50; i++) {
            server.items.set(`k${i}`, {
              flags: "16",
              data: `vk${i}`,
              cas: i + 1,
            });
          }
          let resolved = 0;
          let rejected = 0;
          for (let n = 0; n < 800;) {
            const burst: Array<[Promise<Outcome>, unknown]> = [];
            for (let left = 1 + Math.floor(next() * 20); left > 0; left--) {
              server.items.set(`c${n}`, {
                flags: "0",
                data: String(n * 3),
                cas: 1,
              });
              const [call, wanted] = anyCall(client, n++, next);
              burst.push([outcome(call), wanted]);
            }
            for (const [call, wanted] of burst) {
              const { error, value } = await call;
              if (error === undefined) {
                assertEquals(value, wanted);
                resolved++;
              } else {
                const ours = error instanceof MemcacheTimeoutError ||
                  cuts > 0 && error instanceof MemcacheUnexpectedCloseError;
                assert(ours || String(error) === "gone", String(error));
                rejected++;
              }
            }
          }
          assertGreater(resolved, 400);
          assertGreater(rejected, 20);
          assertEquals(cuts > 0, server.peers.length > 3);
        },
      );
    });
  }
}

test("Client waits for a serde that answers later, however the get travels", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    const serde = {
      serialize: jsonSerde.serialize,
      deserialize: async (_key: string, data: Uint8Array, flags: number) => {
        await turn();
        return jsonSerde.deserialize("", data, flags);
      },
    };
    await withPair({}, { protocol, serde }, async ({ client }) => {
      await Promise.all(keys(200).map((key) => client.set(key, `v${key}`)));
      for (const count of [1, 2, 200]) {
        const asked = [...keys(count), "none"];
        const values = await Promise.all(asked.map((key) => client.get(key)));
        assertEquals(values, [
          ...keys(count).map((key) => `v${key}`),
          undefined,
        ]);
      }
    });
  }
});

for (const kind of ["takes all", "is ready again at once"]) {
  test(`Client gives others their turn while it sends to a transport that ${kind}`, async () => {
    let inTurn = 0;
    let most = 0;
    let sent = 0;
    const conn = (): Conn => {
      let told: ConnEvents | undefined;
      return {
        start: (events) => void (told = events),
        write: (bytes) => {
          sent += bytes.length;
          most = Math.max(most, ++inTurn);
          const until = performance.now() + 1.1;
          while (performance.now() < until);
          if (kind === "takes all") return true;
          queueMicrotask(() => told?.drain());
          return false;
        },
        ref: () => {},
        unref: () => {},
        close: () => {},
      };
    };
    const client = new Client("127.0.0.1:1", {
      protocol: "classic",
      defaultNoreply: true,
      timeout: 0,
      dial: () => Promise.resolve(conn()),
    });
    await client.set("first", "");
    inTurn = 0;
    const value = "x".repeat(1000);
    let left = 2000;
    const all = Array.from(
      { length: left },
      (_, i) => client.set(`k${i}`, value).then(() => left--),
    );
    while (left > 0) {
      inTurn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    assertGreater(sent, 2_000_000);
    // 36 KiB each: all in all there are about 56 writes.
    assertLessOrEqual(most, 8, "writes in one turn");
    await client.close();
  });
}
