/**
 * What a client does to the process that it is in: this file is also the
 * program that the tests run.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client, type MemcacheError } from "@x/memcache";
import { type Script, withServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { outcome, outcomes, pause, warm } from "./_calls.ts";
import { play, played } from "./_child.ts";

const code = (error: MemcacheError | undefined): string =>
  error === undefined ? "fine" : error.code ?? String(error);

/** What the child does; it says what became of it, and has nothing else to do. */
const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "has a client and never uses it": async (address) => {
    new Client(address);
    await pause(0);
    return "fine";
  },
  "has used a client, and does not close it": async (address) => {
    const client = new Client(address);
    await client.set("a", "x");
    return await client.get("a");
  },
  "waits for a reply that takes long": async (address) => {
    const client = new Client(address);
    await client.get("a");
    return await client.get("late");
  },
  "sends its first command without reply": async (address) => {
    const client = new Client(address);
    return await client.set("quiet", "x", { noreply: true });
  },
  "sends its last command without reply": async (address) => {
    const client = new Client(address);
    await client.get("a");
    return await client.set("quiet", "x", { noreply: true });
  },
  "sends a large value without reply": async (address) => {
    const client = new Client(address, { timeout: 5000 });
    await warm(client);
    return await client.set("quiet", "x".repeat(4_000_000), { noreply: true });
  },
  "has timed out": async (address) => {
    const client = new Client(address, { timeout: 200 });
    await warm(client);
    return code((await outcome(client.get("mute"))).error);
  },
  "has aborted": async (address) => {
    const client = new Client(address, { timeout: 200 });
    await warm(client);
    const controller = new AbortController();
    const call = outcome(client.get("mute", { signal: controller.signal }));
    await pause(0);
    controller.abort("enough");
    return String((await call).error);
  },
  "writes to a connection that is given up": async (address) => {
    const client = new Client(address, { timeout: 300 });
    await warm(client);
    const first = outcome(client.get("mute"));
    await pause(150);
    const second = outcome(client.incr("mute", 1));
    return [code((await first).error), code((await second).error)];
  },
  "closes while commands are in flight": async (address) => {
    const client = new Client(address, { timeout: 30_000 });
    await client.get("a");
    const calls = outcomes([client.get("mute"), client.set("mute", 1)]);
    await pause(0);
    await client.close();
    return (await calls).map(({ error }) => code(error));
  },
  "closes while it connects": async (address) => {
    const client = new Client(address, {
      timeout: 30_000,
      connectTimeout: 30_000,
      dial: () => new Promise(() => {}),
    });
    const call = outcome(client.get("a"));
    await pause(0);
    await client.close();
    return code((await call).error);
  },
  "waits for a transport that never answers": async (address) => {
    const client = new Client(address, {
      timeout: 200,
      connectTimeout: 0,
      dial: () => new Promise(() => {}),
    });
    const first = code((await outcome(client.get("a"))).error);
    return [first, code((await outcome(client.get("a"))).error)];
  },
  "meets no server": async () => {
    const client = new Client("127.0.0.1:1");
    const ends = [];
    for (let i = 0; i < 5; i++) ends.push(await outcome(client.get("a")));
    return ends.map(({ error }) => code(error));
  },
  // Every promise of the client's own has to be looked after: one that is not
  // ends the process.
  "does not wait for what it calls": async (address) => {
    const client = new Client(address, { timeout: 100 });
    await warm(client);
    const ignore = (call: Promise<unknown>) => void call.catch(() => {});
    for (const key of ["mute", "cut", "wrong", "a"]) {
      ignore(client.get(key));
      ignore(client.gets(key));
      ignore(client.getMany([key, "b", "c"]));
      ignore(client.set(key, 1));
      ignore(client.setMany({ [key]: 1, b: 2 }));
      ignore(client.deleteMany([key, "b"]));
      ignore(client.incr(key, 1, { initial: 1 }));
      ignore(client.set(key, 1, { noreply: true }));
      ignore(client.stats());
      ignore(client.quit());
      await pause(30);
    }
    ignore(client.get("mute"));
    await client.disconnect();
    ignore(client.get("mute"));
    await client.close();
    return "fine";
  },
};

/** What the child says in each role. */
const WANTED: Record<string, unknown> = {
  "has a client and never uses it": "fine",
  "has used a client, and does not close it": "x",
  "waits for a reply that takes long": "slow",
  "sends its first command without reply": true,
  "sends its last command without reply": true,
  "sends a large value without reply": true,
  "has timed out": "ERR_TIMEOUT",
  "has aborted": "enough",
  "writes to a connection that is given up": ["ERR_TIMEOUT", "ERR_TIMEOUT"],
  "closes while commands are in flight": [
    "ERR_CLIENT_CLOSED",
    "ERR_CLIENT_CLOSED",
  ],
  "closes while it connects": "ERR_CLIENT_CLOSED",
  "waits for a transport that never answers": ["ERR_TIMEOUT", "ERR_TIMEOUT"],
  "meets no server": Array(5).fill("ERR_CONNECTION"),
  "does not wait for what it calls": "fine",
};

const script: Script = (command, peer) => {
  const { line } = command;
  if (line.includes("mute")) return undefined;
  if (line.includes("wrong")) return "WRONG\r\n";
  if (line.includes("cut")) {
    peer.end("VA");
    return undefined;
  }
  if (line.includes("late")) {
    setTimeout(() => peer.answer(command), 400);
    return undefined;
  }
  return peer.reply(command);
};

if (!await played(ROLES)) {
  test(
    "Client lets a process end by itself, and keeps it for what is in flight",
    async () => {
      await Promise.all(
        Object.keys(ROLES).map(async (role) => {
          await withServer({ command: script }, async (server) => {
            server.items.set("late", { flags: "16", data: "slow", cas: 1 });
            const { address } = server;
            const { output, ms } = await play(import.meta.url, {
              role,
              address,
            });
            assertEquals(output, JSON.stringify(WANTED[role]), role);
            assert(ms < 15_000, `${role} ended after ${ms} ms`);
            if (role.includes("without reply")) {
              await server.until(() => server.items.has("quiet"));
              assertMatch(server.items.get("quiet")?.data ?? "", /^x+$/, role);
            }
            await server.until(() => server.peers.every((peer) => peer.closed));
          });
        }),
      );
    },
    { timeout: 30_000 },
  );
}
