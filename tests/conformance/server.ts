/**
 * Commands for the server itself.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  MemcacheClientError,
  MemcacheError,
  MemcacheTimeoutError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "@x/memcache";
import {
  assertBytes,
  local,
  pattern,
  refuses,
  rejects,
  type ServerBehaviours,
  text,
  utf8,
} from "./stage.ts";

/** The settings that memcached begins with. */
const TUNING = { hot: 20, warm: 40, hotMaxFactor: 0.2, warmMaxFactor: 2 };

/** Behaviours of {@linkcode ServerCommands}. */
export const SERVER: ServerBehaviours = {
  "version() is the server's": async ({ server }) => {
    assertMatch(await server.version(), /^\d+\.\d+\.\d+/);
  },

  "stats() are typed": async ({ server, client, key }) => {
    await client.set(key(), 1);
    const stats = await server.stats();
    const types: Record<string, string> = {
      pid: "number",
      uptime: "number",
      time: "number",
      version: "string",
      libevent: "string",
      rusage_user: "number",
      curr_connections: "number",
      cmd_get: "number",
      hash_is_expanding: "boolean",
      slab_reassign_running: "boolean",
      curr_items: "number",
      bytes: "number",
      limit_maxbytes: "number",
    };
    for (const [name, type] of Object.entries(types)) {
      assertEquals(typeof stats[name], type, name);
    }
    assertEquals(stats.version, await server.version());
    assert(Number(stats.curr_items) > 0);
    assertEquals(Object.getPrototypeOf(stats), Object.prototype);
  },

  "statsSettings() are typed": async ({ server }) => {
    const settings = await server.statsSettings();
    assertEquals(settings.maxbytes, 64 * 1024 * 1024);
    assertEquals(settings.item_size_max, 1024 * 1024);
    assertEquals(settings.cas_enabled, true);
    assertEquals(settings.evictions, true);
    assertEquals(settings.flush_enabled, true);
    assertEquals(typeof settings.umask, "number");
    assertEquals(typeof settings.hash_algorithm, "string");
    assertEquals(await server.stats("settings"), settings);
  },

  "statsItems() and statsSlabs() are by slab class": async (
    { server, client, key },
  ) => {
    await client.setMany([[key(), "small"], [key(), pattern(5000)]]);
    const items = await server.statsItems();
    assert(items.size >= 2);
    for (const [id, item] of items) {
      assert(id > 0 && Number(item.number) > 0, `class ${id}`);
    }
    const { slabs, active_slabs, total_malloced } = await server.statsSlabs();
    assert(active_slabs >= 2 && total_malloced > 0);
    for (const id of items.keys()) {
      assertEquals(typeof slabs.get(id)?.chunk_size, "number", `class ${id}`);
    }
  },

  "statsSizes() counts items once it is switched on": async (
    { server, client, key },
  ) => {
    assertEquals(await server.statsSizes(), []);
    assertEquals(await server.stats("sizes_enable"), {});
    await client.set(key(), "value");
    await client.set(key(), pattern(5000));
    const sizes = await server.statsSizes();
    assert(sizes.length >= 2);
    for (const [size, count] of sizes) {
      assert(size % 32 === 0 && count > 0, `${size} ${count}`);
    }
    assert(sizes.some(([size]) => size > 5000));
    await server.stats("sizes_disable");
    assertEquals(await server.statsSizes(), []);
  },

  "statsConns() are by descriptor": async ({ server, traits }) => {
    const conns = await server.statsConns().catch((error) => {
      // Behind the path of a unix socket memcached 1.6.18 shows what happens
      // to be in its memory, now and then a line end.
      assert(traits.name?.startsWith("/"), error);
      assert(error instanceof MemcacheUnknownError, error);
    });
    if (conns === undefined) return;
    assert(conns.size > 0);
    assert([...conns.values()].some(({ state }) => typeof state === "string"));
    for (const [id, { addr }] of conns) {
      assertEquals([typeof id, typeof addr], ["number", "string"]);
    }
  },

  "stats() takes arguments that change something": async (
    { server, client, key },
  ) => {
    assertEquals(await server.stats("detail on"), {});
    const prefix = key("prefix").replace(":", "-");
    await client.set(`${prefix}:a`, 1);
    await client.get(`${prefix}:a`);
    const dump = await server.stats("detail", "dump");
    // memcached 1.6.18 does not count meta reads here.
    assertMatch(String(dump[prefix]), /^get \d hit \d set 1 del 0$/);
    assertEquals(await server.stats("detail", "off"), {});
    await client.get(key());
    assertEquals(await server.stats("reset"), {});
    assert(Number((await server.stats()).get_misses) < 2);
  },

  "stats() of what the server does not know is an error": async (
    { server, client, key },
  ) => {
    await rejects(
      () => server.stats("unheard_of"),
      MemcacheUnknownCommandError,
      {
        command: "stats",
        sent: true,
      },
    );
    assertEquals(await client.get(key()), undefined);
  },

  "flushAll() makes all items invalid": async ({ server, client, key }) => {
    const [a, b] = [key(), key()];
    await client.setMany({ [a]: 1, [b]: 2 });
    assertEquals(await server.flushAll(), true);
    assertEquals((await client.getMany([a, b])).size, 0);
    assertEquals(await client.set(a, 3), true);
    assertEquals(await client.get(a), 3);
    assertEquals(await server.flushAll({ noreply: true }), true);
    assertEquals(await client.get(a), undefined);
    assertEquals(await client.set(a, 4), true);
    assertEquals(await server.flushAll({ delay: 0 }), true);
    assertEquals(await client.get(a), undefined);
  },

  "flushAll() with a delay leaves items for the time being": async (
    { server, client, key },
  ) => {
    const name = key();
    await client.set(name, 1);
    assertEquals(await server.flushAll({ delay: 1000 }), true);
    assertEquals(await client.get(name), 1);
    assertEquals(await server.flushAll({ delay: 1000, noreply: true }), true);
    assertEquals(await client.get(name), 1);
    assertEquals(await server.flushAll(), true);
  },

  "flushAll() goes by defaultNoreply": async (
    { key, open, ordered, tapped },
  ) => {
    await tapped(async (tap, { client, server }) => {
      const name = key();
      await client.set(name, 1);
      assertEquals(await server?.flushAll(), true);
      if (ordered) assertEquals(await client.get(name), undefined);
      assert(tap.sent.includes("flush_all noreply\r\n"));
      assertEquals(await server?.flushAll({ noreply: false }), true);
      assert(tap.sent.includes("flush_all\r\n"));
    }, { defaultNoreply: true });
    await open({}, async ({ client }) => {
      assertEquals(await client.get(key()), undefined);
    });
  },

  "verbosity() and cacheMemlimit() are acknowledged": async ({ server }) => {
    assertEquals(await server.verbosity(1), true);
    assertEquals(await server.verbosity(0), true);
    assertEquals(await server.cacheMemlimit(100), true);
    assertEquals(
      (await server.statsSettings()).maxbytes,
      100 * 1024 * 1024,
    );
    assertEquals(await server.cacheMemlimit(64), true);
  },

  "a server is tuned, and its answers have names": async ({ server }) => {
    assertEquals(await server.lruTune(TUNING), true);
    assertEquals(await server.lruTempTtl(61), true);
    assertEquals(await server.lruMode("segmented"), true);
    assertEquals(await server.lruCrawlerEnable(), "notStarted");
    assertEquals(await server.lruCrawlerSleep(100), true);
    assertEquals(await server.lruCrawlerToCrawl(0), true);
    const crawled = await server.lruCrawlerCrawl([1, 2]);
    assert(crawled === "ok" || crawled === "busy", crawled);
    assertEquals(await server.slabsReassign(1, 1), "same");
    assertEquals(await server.slabsReassign(1, 63), "badClass");
    assertEquals(await server.slabsAutomove(1), true);
  },

  "watch() tells what happens to items": async ({ server, client, key }) => {
    const name = key();
    const feed = server.watch("mutations");
    await feed.opened();
    await client.set(name, "value");
    for await (const event of feed) {
      assert(event.type === "item_store", event.type);
      if (event.key !== name) continue;
      assertEquals(
        [event.status, event.command, event.ttl],
        ["stored", "set", -1],
      );
      break;
    }
    assertEquals((await feed.next()).done, true);
  },

  "a memory limit that the server refuses is an error of its own": async (
    { ordered, tapped },
  ) => {
    await tapped(async (tap, { client, server }) => {
      assert(server !== undefined);
      for (const megabytes of [0, 1, 4_000_000_000]) {
        const [error] = await Promise.all([
          rejects(
            () => server.cacheMemlimit(megabytes),
            MemcacheClientError,
            { code: "ERR_CLIENT", command: "cache_memlimit", sent: true },
          ),
          client.get("nothing"),
        ]);
        assert(error.message.includes("MEMLIMIT_"), error.message);
      }
      assertEquals(await server.verbosity(0), true);
      if (ordered) assertEquals(tap.connects, 1);
    });
  },

  "numbers for the server are checked": local(async ({ tapped }) => {
    await tapped(async (tap, { server }) => {
      assert(server !== undefined);
      const bad: unknown[] = [
        ...[-1, 1.5, NaN, Infinity, 2 ** 32, "1", "1\r\nflush_all", null, 1n],
        ...[{}, [1], true],
      ];
      for (const value of bad) {
        const number = value as number;
        const about = String(value);
        await refuses(() => server.verbosity(number), `verbosity ${about}`);
        await refuses(() => server.cacheMemlimit(number), `limit ${about}`);
        await refuses(
          () => server.flushAll({ delay: number }),
          `delay ${about}`,
        );
      }
      const words = ["", " ", "a\r\nflush_all", "a\n", "ä", "\0", "a\tb", 5];
      for (const word of [...words, null, {}, ["a"], "x".repeat(3000)]) {
        await refuses(
          () => server.stats(word as string),
          `stats ${String(word).slice(0, 20)}`,
        );
        await refuses(
          () => server.stats("items", word as string),
          `stats items ${String(word).slice(0, 20)}`,
        );
      }
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  }),

  "rawCommand() sends a line and reads one": async (
    { server, client, key },
  ) => {
    const name = key();
    assertEquals(
      text(await server.rawCommand("version")),
      `VERSION ${await server.version()}`,
    );
    await client.set(name, 5);
    assertEquals(text(await server.rawCommand(`incr ${name} 2`)), "7");
    assertEquals(text(await server.rawCommand(`delete ${name}`)), "DELETED");
    assertEquals(text(await server.rawCommand(`delete ${name}`)), "NOT_FOUND");
  },

  "rawCommand() sends bytes as they are": async ({ server, client, key }) => {
    const name = key();
    const line = utf8(`set ${name} 16 0 9\r\nraw\r\nEND\n`);
    assertEquals(text(await server.rawCommand(line)), "STORED");
    assertEquals(await client.get(name), "raw\r\nEND\n");
  },

  "rawCommand() reads up to its token": async ({ server, client, key }) => {
    const name = key();
    await client.set(name, pattern(256));
    const reply = await server.rawCommand(`get ${name}`, {
      endToken: "\r\nEND\r\n",
    });
    const head = `VALUE ${name} 0 256\r\n`;
    assertEquals(text(reply.subarray(0, head.length)), head);
    assertBytes(reply.subarray(head.length), pattern(256));
    const stats = text(
      await server.rawCommand("stats", { endToken: "END\r\n" }),
    );
    assertMatch(stats, /^STAT pid \d+\r\n(?:STAT .*\r\n)+$/);
    assertEquals(await client.has(name), true);
  },

  "rawCommand() keeps its place among other commands": async (
    { server, client, key, ordered },
  ) => {
    if (!ordered) return;
    const name = key();
    const got = await Promise.all([
      client.set(name, 1),
      server.rawCommand(`incr ${name} 1`).then(text),
      client.get(name),
      server.rawCommand(`get ${name}`, { endToken: "END\r\n" }).then(text),
      client.get(name),
      server.version(),
    ]);
    assertEquals(got.slice(0, 5), [
      true,
      "2",
      2,
      `VALUE ${name} 2 1\r\n2\r\n`,
      2,
    ]);
  },

  "rawCommand() rejects with the server's error": async (
    { server, client, key },
  ) => {
    const name = key();
    await client.set(name, "value");
    await rejects(
      () => server.rawCommand("unheard_of"),
      MemcacheUnknownCommandError,
      { code: "ERR_UNKNOWN_COMMAND", sent: true },
    );
    const error = await rejects(
      () => server.rawCommand(`incr ${name} x`),
      MemcacheClientError,
      { code: "ERR_CLIENT", sent: true },
    );
    assert(error.message.includes("invalid numeric delta argument"));
    await rejects(
      () => server.rawCommand("unheard_of", { endToken: "END\r\n" }),
      MemcacheUnknownCommandError,
    );
    assertEquals(await client.get(name), "value");
  },

  "rawCommand() refuses what is no line": local(async ({ tapped }) => {
    await tapped(async (tap, { server }) => {
      assert(server !== undefined);
      const lines: unknown[] = [
        ...["", "a\r\nb", "a\n", "\r", "version\r\n", 5, null, undefined, {}],
        ...[["version"], { toString: () => "version" }],
      ];
      for (const line of lines) {
        await refuses(() => server.rawCommand(line as string), String(line));
      }
      for (const endToken of ["", 5, {}]) {
        await refuses(
          () => server.rawCommand("version", { endToken: endToken as string }),
          `token ${String(endToken)}`,
        );
      }
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  }),

  "rawCommand() and version() can be given up": async ({ tapped, ordered }) => {
    await tapped(async (tap, { server }) => {
      assert(server !== undefined);
      await server.version();
      tap.hold();
      tap.sent = "";
      const controller = new AbortController();
      const reason = new Error("enough");
      const { signal } = controller;
      const aborted = server.rawCommand("stats", {
        signal,
        endToken: "END\r\n",
      }).catch((error) => error);
      await tap.wrote("stats");
      controller.abort(reason);
      assertEquals(await aborted, reason);
      await rejects(
        () => server.version({ timeout: 15 }),
        MemcacheTimeoutError,
        { command: "version", sent: true },
      );
      tap.release();
      assertMatch(await server.version(), /^\d/);
      if (ordered) assertEquals(tap.connects, 1);
    });
  },

  "quit() says goodbye, and the next command connects again": async (
    { key, tapped, ordered },
  ) => {
    await tapped(async (tap, { client, server }) => {
      assert(server !== undefined);
      await server.quit();
      assertEquals(tap.connects, 0);
      const name = key();
      await client.set(name, "value");
      const [read] = await Promise.all([client.get(name), server.quit()]);
      assertEquals(read, "value");
      if (ordered) assert(tap.sent.includes("quit\r\n"));
      assertEquals(await client.get(name), "value");
      if (ordered) assertEquals(tap.connects, 2);
      const [, after] = await Promise.all([server.quit(), client.get(name)]);
      assertEquals(after, "value");
      if (ordered) assertEquals(tap.connects, 3);
    });
  },

  "shutdown() is refused by a server that does not allow it": async (
    { server, client, key },
  ) => {
    const name = key();
    await client.set(name, "value");
    for (const options of [undefined, { graceful: true }]) {
      const error = await rejects(
        () => server.shutdown(options),
        MemcacheUnknownCommandError,
        { command: "shutdown", sent: true },
      );
      assert(error.message.includes("shutdown not enabled"), error.message);
    }
    assertEquals(await client.get(name), "value");
  },

  "a closed client refuses commands for the server": async ({ open }) => {
    await open({}, async ({ client, server }) => {
      assert(server !== undefined);
      await client.close();
      const calls: Record<string, () => Promise<unknown>> = {
        stats: () => server.stats(),
        statsSettings: () => server.statsSettings(),
        statsItems: () => server.statsItems(),
        statsSlabs: () => server.statsSlabs(),
        statsSizes: () => server.statsSizes(),
        statsConns: () => server.statsConns(),
        version: () => server.version(),
        flushAll: () => server.flushAll(),
        verbosity: () => server.verbosity(0),
        cacheMemlimit: () => server.cacheMemlimit(64),
        lruTune: () => server.lruTune(TUNING),
        lruMode: () => server.lruMode("segmented"),
        lruTempTtl: () => server.lruTempTtl(61),
        lruCrawlerEnable: () => server.lruCrawlerEnable(),
        lruCrawlerDisable: () => server.lruCrawlerDisable(),
        lruCrawlerSleep: () => server.lruCrawlerSleep(100),
        lruCrawlerToCrawl: () => server.lruCrawlerToCrawl(0),
        lruCrawlerCrawl: () => server.lruCrawlerCrawl("all"),
        slabsReassign: () => server.slabsReassign(1, 1),
        slabsAutomove: () => server.slabsAutomove(1),
        watch: () => server.watch().next(),
        keys: () => client.keys().next(),
        rawCommand: () => server.rawCommand("version"),
        quit: () => server.quit(),
        shutdown: () => server.shutdown(),
      };
      for (const [title, call] of Object.entries(calls)) {
        await rejects(
          call,
          MemcacheError,
          { code: "ERR_CLIENT_CLOSED", sent: false },
          title,
        );
      }
    });
  },
};
