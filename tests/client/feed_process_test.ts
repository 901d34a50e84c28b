/**
 * What feeds do to the process that they are in: this file is also the program
 * that the tests run.
 */
import { assert, assertEquals } from "@std/assert";
import { Client, type Feed, HashClient } from "@x/memcache";
import { play, played } from "../connection/_child.ts";
import { type Script, withServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";

/** Two servers by name, which are one. */
const twice = (
  address: string,
) => [address, address.replace(/.*:/, "[::ffff:127.0.0.1]:")];

/** What the child does; it says what became of it, and has nothing else to do. */
const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "has made feeds, and asks for nothing": (address) => {
    const client = new Client(address);
    client.keys();
    client.watch();
    return Promise.resolve("fine");
  },
  "has opened feeds, and asks for nothing": async (address) => {
    const client = new Client(address);
    await client.watch("fetchers").opened();
    await client.keys().opened();
    await new HashClient(twice(address)).watch("mutations").opened();
    return "fine";
  },
  "has read one of many": async (address) => {
    const client = new Client(address);
    const { value } = await client.keys().next();
    return value?.key;
  },
  "has read one of two servers": async (address) => {
    const client = new HashClient(twice(address));
    const { value } = await client.watch("mutations").next();
    return value?.type;
  },
  "waits for an event that comes late": async (address) => {
    const client = new Client(address);
    const { value } = await client.watch("connevents").next();
    return value?.type;
  },
  "waits for an event of two servers that comes late": async (address) => {
    const client = new HashClient(twice(address));
    const feed = client.watch("connevents");
    await feed.next();
    const { value } = await feed.next();
    return value?.type;
  },
  // Every promise of the client's own has to be looked after: one that is not
  // ends the process.
  "does not wait for what it calls": async (address) => {
    const client = new Client(address, { timeout: 100 });
    const nowhere = new Client("127.0.0.1:1");
    const both = new HashClient([...twice(address), "127.0.0.1:1"]);
    const ignore = (feed: Feed<unknown>) => {
      for (let i = 0; i < 3; i++) feed.next().catch(() => {});
    };
    ignore(client.keys());
    ignore(client.watch("evictions"));
    ignore(client.watch("fetchers"));
    ignore(nowhere.keys());
    ignore(nowhere.watch());
    ignore(both.keys());
    ignore(both.watch());
    ignore(client.watch("x" as "fetchers"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await Promise.all([client, nowhere, both].map((client) => client.close()));
    return "fine";
  },
};

/** What the child says in each role. */
const WANTED: Record<string, unknown> = {
  "has made feeds, and asks for nothing": "fine",
  "has opened feeds, and asks for nothing": "fine",
  "has read one of many": "a",
  "has read one of two servers": "other",
  "waits for an event that comes late": "other",
  "waits for an event of two servers that comes late": "other",
  "does not wait for what it calls": "fine",
};

const EVENT = "ts=1.5 gid=1 type=x\n";
const ENTRY = "key=a exp=-1 la=1 cas=1 fetch=no cls=1 size=63\n";

const script: Script = ({ line }, peer) => {
  switch (line) {
    case "version":
      return "VERSION 1.6.18\r\n";
    case "stats":
      return "STAT time 1\r\nEND\r\n";
    case "lru_crawler metadump hash":
      // More than may wait, and no end.
      return ENTRY.repeat(100_000);
    case "watch mutations":
      return `OK\r\n${EVENT.repeat(10)}`;
    case "watch connevents":
      setTimeout(() => peer.send(EVENT), 400);
      return "OK\r\n";
    case "watch fetchers":
      return "OK\r\n";
    case "watch evictions":
      peer.end(`OK\r\n${EVENT}`);
      return undefined;
    default:
      return "ERROR\r\n";
  }
};

if (!await played(ROLES)) {
  test(
    "feeds let a process end by itself, and keep it for who waits",
    async () => {
      await Promise.all(
        Object.keys(ROLES).map(async (role) => {
          await withServer({ command: script }, async (server) => {
            const { address } = server;
            const task = { role, address };
            const { output, ms } = await play(import.meta.url, task);
            assertEquals(output, JSON.stringify(WANTED[role]), role);
            assert(ms < 15_000, `${role} ended after ${ms} ms`);
            await server.until(() => server.peers.every((peer) => peer.closed));
          });
        }),
      );
    },
    { timeout: 30_000 },
  );
}
